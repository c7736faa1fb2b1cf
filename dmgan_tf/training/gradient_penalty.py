"""R1, computed lazily: it keeps a discriminator's gradient at real pictures small."""

import tensorflow as tf

from dmgan_tf.training.replicas import global_mean, replica_count

INTERVAL = 16  # steps


def squared_gradient_norm(network, real, sentence_feature):
    """‖∇_x D(x, s)‖² at real pictures, D the sum of both logits (R1, arXiv:1801.04406, Eq. 9).

    Without the deviation over the batch, which is no function of one picture alone.

    Args: real: float [B, side, side, C]. sentence_feature: float [B, N_w]. Returns: float32 [B].
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(real)
        logits = network(real, sentence_feature, groups=None)
        total = tf.reduce_sum(logits.unconditional_logits + logits.conditional_logits)
    gradient = tf.cast(tape.gradient(total, real), tf.float32)
    return tf.reduce_sum(tf.square(gradient), axis=[1, 2, 3])


def penalty_gradients(network, optimizer, real, sentence_feature, step, strength):
    """Gradients of γ/2 · E‖∇_x D‖² for the network's variables, this replica's share.

    γ = strength · side² / B, of the global batch B. Computed at every 16th step and 16 times as
    large there, else 0 (StyleGAN2-ADA, arXiv:2006.06676, App. B).

    Args: optimizer: the network's, which may scale losses. step: int scalar. strength: float > 0.
    """
    variables = [variable.value for variable in network.trainable_variables]
    batch_size = tf.cast(tf.shape(real)[0] * replica_count(), tf.float32)
    weight = INTERVAL * strength * real.shape[1] ** 2 / batch_size / 2.0

    def penalised():
        with tf.GradientTape() as tape:
            norms = squared_gradient_norm(network, real, sentence_feature)
            loss = optimizer.scale_loss(weight * global_mean(norms))
        zero = tf.UnconnectedGradients.ZERO
        return tape.gradient(loss, variables, unconnected_gradients=zero)

    def nothing():
        return [tf.zeros_like(variable) for variable in variables]

    return tf.cond(tf.equal(step % INTERVAL, 0), penalised, nothing)
