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


@pytest.mark.parametrize("name", ["picture", "perceptual"])
def test_generator_learns_from_the_distance_alone_where_all_else_is_silent(name, batch):
    trainer = make_trainer(recipe=True)
    for network in trainer.all_discriminators:
        for head in (network.unconditional_head, network.conditional_head, network.deviation_head):
            head.kernel.assign(tf.zeros_like(head.kernel))
    trainer.damsm_weight = trainer.kl_weight = 0.0
    trainer.picture_weight = 3.0 * (name == "picture")
    trainer.perceptual_weight = 2.0 * (name == "perceptual")
    text = trainer.encode_text(batch)
    with tf.GradientTape(persistent=True) as tape:
        output = trainer.draw(text, batch)
        drawn = [trainer._augmented(x, batch, i, 1) for i, x in enumerate(output.images)]
        encoded, maps = trainer._encode_image(output.images[-1], batch)
        real_maps = trainer._real_maps(batch)
        distance = {
            "picture": 3.0 * picture_distance(batch["images"], output.images),
            "perceptual": 2.0 * perceptual_distance(real_maps, maps),
        }[name]
        expected = tf.reduce_mean(distance)
        loss, _ = trainer._generator_loss(batch, output, text, drawn + maps, encoded, real_maps)
    variables = trainer.generator.trainable_variables
    pairs = zip(tape.gradient(loss, variables), tape.gradient(expected, variables), strict=True)
    sizes = []
    for found, wanted in pairs:
        if wanted is not None:
            np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)
            sizes.append(np.abs(wanted).max())
    assert max(sizes) > 1e-3


def test_real_and_drawn_pictures_are_shifted_alike_where_they_are_compared(batch):
    trainer = make_trainer(recipe=True)
    same = batch["images"][-1]
    _, drawn = trainer._encode_image(same, batch)
    np.testing.assert_array_equal(perceptual_distance(trainer._real_maps(batch), drawn), 0)
    trainer.perceptual_weight = 0.0  # shifts of their own, as the discriminators want them
    assert (perceptual_distance(trainer._real_maps(batch), drawn).numpy() > 0.01).all()
