"""One update of one discriminator: real, fake and wrongly captioned pictures."""

import tensorflow as tf

from dmgan_tf.losses.adversarial import discriminator_loss, fake_loss
from dmgan_tf.training.gradient_penalty import penalty_gradients
from dmgan_tf.training.replicas import (
    apply_gradients,
    global_mean,
    global_share,
)


def discriminator_step(network, optimizer, real, fake, sentences, penalty=None):
    """Updates a discriminator by its loss over the global batch.

    Args:
        network: Discriminator. optimizer: its own.
        real, fake: float [B, side, side, C], what it sees of real and of drawn pictures; no
            gradient leaves through `fake`.
        sentences: own and wrong ones, float [B, N_w], and weights [B] of the wrong ones, for a
            global mean.
        penalty: (step, strength) of `penalty_gradients`, or None.
    Returns: dict of scalars, this replica's shares of the global ones.
    """
    real, fake = tf.cast(real, fake.dtype), tf.stop_gradient(fake)
    own_sentence, wrong_sentence, wrong_weight = sentences
    size = tf.shape(real)[0]
    # No batch norm there: one pass serves real and fake pictures and all three pairings.
    index = tf.concat([tf.range(2 * size), tf.range(size)], axis=0)
    variables = network.trainable_variables
    with tf.GradientTape() as tape:
        logits = network(
            tf.concat([real, fake], axis=0),
            tf.concat([own_sentence, own_sentence, wrong_sentence], axis=0),
            index,
            groups=2,
            training=True,
        )
        real_logits, fake_logits = tf.split(logits.unconditional_logits, 2)
        real_pairs, fake_pairs, wrong_pairs = tf.split(logits.conditional_logits, 3)
        wrong = fake_loss(wrong_pairs) * wrong_weight
        loss = global_mean(
            discriminator_loss(real_logits, real_pairs, fake_logits, fake_pairs, wrong)
        )
        scaled_loss = optimizer.scale_loss(loss)
    gradients = tape.gradient(scaled_loss, variables)
    if penalty:
        penalties = penalty_gradients(network, optimizer, real, own_sentence, *penalty)
        gradients = [a + b for a, b in zip(gradients, penalties, strict=True)]
    apply_gradients(optimizer, gradients, variables)
    name = label(network)
    return {
        f"discriminator_loss/{name}": loss,
        f"real_accuracy/{name}": global_share(real_logits > 0),
        f"fake_accuracy/{name}": global_share(fake_logits < 0),
        f"wrong_accuracy/{name}": global_mean(tf.cast(wrong_pairs < 0, tf.float32) * wrong_weight),
    }


def label(network):
    """What a discriminator is called in logs: its side, or `map_K` for one of features."""
    return network.name.removeprefix("discriminator_")
