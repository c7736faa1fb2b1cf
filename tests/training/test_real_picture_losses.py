"""The training step's losses against the caption's real picture: what they compare."""

import numpy as np
import pytest
import tensorflow as tf
from small_trainer import make_batch, make_trainer

from dmgan_tf.losses.real_picture import perceptual_distance, picture_distance


@pytest.fixture
def batch():
    return make_batch()


def test_losses_are_weights_times_distances_to_the_own_real_picture(batch):
    with_it, without = make_trainer(recipe=True), make_trainer(recipe=True)
    output = with_it.draw(with_it.encode_text(batch), batch)
    _, drawn = with_it._encode_image(output.images[-1], batch)
    in_maps = tf.reduce_mean(perceptual_distance(with_it._real_maps(batch), drawn))
    in_pixels = tf.reduce_mean(picture_distance(batch["images"], output.images))
    without.perceptual_weight = without.picture_weight = 0.0
    losses, plain = (
        {name: float(value) for name, value in trainer.train_step(batch).items()}
        for trainer in (with_it, without)
    )
    assert losses["perceptual"] == pytest.approx(float(in_maps), rel=1e-5)
    assert losses["picture"] == pytest.approx(float(in_pixels), rel=1e-5)
    assert not {"perceptual", "picture"} & plain.keys()
    terms = [value for name, value in losses.items() if name.startswith("generator_loss/")]
    damsm = losses["damsm_sentence"] + losses["damsm_word"]
    whole = sum(terms) + losses["kl"] + damsm
    whole += 2.0 * losses["perceptual"] + 3.0 * losses["picture"]
    assert losses["generator_loss"] == pytest.approx(whole, rel=1e-5)
    generators = with_it.generator, without.generator
    weights = zip(*(network.trainable_variables for network in generators), strict=True)
    assert any(not np.allclose(a, b, atol=1e-7) for a, b in weights)


def test_real_and_drawn_pictures_are_shifted_alike_where_they_are_compared(batch):
    trainer = make_trainer(recipe=True)
    same = batch["images"][-1]
    _, drawn = trainer._encode_image(same, batch)
    np.testing.assert_array_equal(perceptual_distance(trainer._real_maps(batch), drawn), 0)
    trainer.perceptual_weight = 0.0  # shifts of their own, as the discriminators want them
    assert (perceptual_distance(trainer._real_maps(batch), drawn).numpy() > 0.01).all()
