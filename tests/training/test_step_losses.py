"""The losses of a training step, against those of passes of each network alone."""

import numpy as np
import pytest
import tensorflow as tf
from small_trainer import forward, make_trainer

from dmgan_tf.layers.augmentation import Augmentation, augment
from dmgan_tf.losses.adversarial import fake_loss, real_loss
from dmgan_tf.training.discriminator_step import label


def generator_gradient(trainer, batch):
    """Gradient of the generator's loss, the discriminators as they are."""
    with tf.GradientTape() as tape:
        text, output = forward(trainer, batch)
        drawn = [trainer._augmented(x, batch, i, 1) for i, x in enumerate(output.images)]
        encoded, maps = trainer._encode_image(output.images[-1], batch)
        real_maps = trainer._real_maps(batch)
        loss, terms = trainer._generator_loss(batch, output, text, drawn + maps, encoded, real_maps)
    return terms, tape.gradient(loss, trainer.generator.trainable_variables)


def converge(network, images, sentence):
    """Iterates the spectral norms until a step's own power iteration does not move sigma."""
    iterate = tf.function(lambda: network(images, sentence, training=True))
    for _ in range(200):
        iterate()


@pytest.mark.parametrize("recipe", [False, True])
def test_losses_are_those_of_separate_passes(recipe, batch):
    trainer = make_trainer(recipe=recipe)
    text, output = forward(trainer, batch)
    own, wrong = text.completed_sentence, text.wrong_sentence
    pairs = [
        [
            trainer._augmented(images[place], batch, place, drawn)
            for drawn, images in enumerate((batch["images"], output.images))
        ]
        for place in range(2)
    ]
    if recipe:  # shifted alike, for the perceptual distance between them
        shifts = batch["augmentation_noise"][:, -1, 1]
        pairs.append([
            trainer.image_encoder.feature_maps(augment(x[-1], shifts, Augmentation(0.125)))[1]
            for x in (batch["images"], output.images)
        ])  # fmt: skip
    for network, (real, _) in zip(trainer.all_discriminators, pairs, strict=True):
        converge(network, real, own)
    terms, _ = generator_gradient(trainer, batch)
    for place, (real, fake) in enumerate(pairs):
        network = trainer.all_discriminators[place]
        real_logits, fake_logits = network(real, own), network(fake, own)
        # The last picture of the batch has none whose sentence could be its wrong one.
        wrong_logits = network(real, wrong).conditional_logits[:-1]
        expected = (
            tf.reduce_mean(real_loss(real_logits[0]) + real_loss(real_logits[1])) / 2
            + tf.reduce_mean(fake_loss(fake_logits[0]) + fake_loss(fake_logits[1])) / 3
            + tf.reduce_mean(fake_loss(wrong_logits)) / 3
        )
        drawn_as_real = tf.reduce_mean(real_loss(fake_logits[0]) + real_loss(fake_logits[1]))
        name = label(network)
        np.testing.assert_allclose(terms[f"generator_loss/{name}"], drawn_as_real, rtol=1e-5)
        found = trainer._discriminator_step(place, real, fake, text)
        np.testing.assert_allclose(found[f"discriminator_loss/{name}"], expected, rtol=1e-5)


@pytest.mark.parametrize("recipe", [False, True])
def test_generator_loss_is_the_weighted_sum_of_its_terms(recipe, batch):
    trainer = make_trainer(recipe=recipe)
    trainer.damsm_weight, trainer.kl_weight = 3.0, 2.0
    logs = {name: float(value) for name, value in trainer.train_step(batch).items()}
    adversarial = [f"generator_loss/{label(network)}" for network in trainer.all_discriminators]
    assert len(adversarial) == (3 if recipe else 2)
    expected = (
        sum(logs[name] for name in adversarial)
        + 2.0 * logs["kl"]
        + 3.0 * (logs["damsm_sentence"] + logs["damsm_word"])
    )
    if recipe:
        expected += trainer.picture_weight * logs["picture"]
        expected += trainer.perceptual_weight * logs["perceptual"]
    assert logs["generator_loss"] == pytest.approx(expected, rel=1e-6)


def test_generator_learns_from_feature_discriminators_through_the_frozen_encoder(batch):
    trainer = make_trainer(recipe=True)
    terms, with_them = generator_gradient(trainer, batch)
    assert float(terms["generator_loss/map_2"]) > 0
    head = trainer.feature_discriminators[0].unconditional_head
    head.kernel.assign(tf.zeros_like(head.kernel))
    _, without_one_head = generator_gradient(trainer, batch)
    assert not np.allclose(with_them[0], without_one_head[0], rtol=1e-3)
