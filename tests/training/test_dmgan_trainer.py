"""One training step: who moves, on what losses, whatever the replicas."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_trainer import (
    FEATURES,
    VOCABULARY,
    forward,
    make_batch,
    make_trainer,
    moved,
    sgd,
    weights,
)

from dmgan_tf.models import (
    CompactEncoder,
    Discriminator,
    EfficientNetLite0Encoder,
    Generator,
    TextEncoder,
)
from dmgan_tf.training import DMGANTrainer
from dmgan_tf.training.memory_means import memory_means


def test_discriminator_step_moves_that_discriminator_alone(trainer, batch):
    text, output = forward(trainer, batch)
    first, second = trainer.discriminators
    others = (trainer.generator, trainer.text_encoder, trainer.image_encoder, second)
    before, others_before = weights(first), weights(*others)
    trainer._discriminator_step(0, batch["images"][0], output.images[0], text)
    assert all(moved(before, first))
    for old, new in zip(others_before, weights(*others), strict=True):
        np.testing.assert_array_equal(old, new)


def test_step_moves_generator_and_discriminators_but_no_encoder(trainer, batch):
    before = {n.name: weights(n) for n in (trainer.generator, *trainer.discriminators)}
    frozen = (trainer.text_encoder, trainer.image_encoder)
    frozen_before = [w.copy() for n in frozen for w in n.get_weights()]
    trainer.train_step(batch)
    for network in (trainer.generator, *trainer.discriminators):
        assert all(moved(before[network.name], network)), network.name
    for old, new in zip(frozen_before, [w for n in frozen for w in n.get_weights()], strict=True):
        np.testing.assert_array_equal(old, new)


def test_generator_update_leaves_discriminators_as_their_own_step_made_them(batch):
    whole, alone = make_trainer(), make_trainer()
    text, output = forward(alone, batch)
    for place in range(2):
        alone._discriminator_step(place, batch["images"][place], output.images[place], text)
    whole.train_step(batch)
    for a, b in zip(weights(*whole.discriminators), weights(*alone.discriminators), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


def test_average_follows_parameters_and_copies_statistics(trainer, batch):
    start = weights(trainer.generator)
    trainer.train_step(batch)
    now = weights(trainer.generator)
    pairs = list(zip(trainer.generator.weights, trainer.average_generator.weights, strict=True))
    averages = [slow.numpy() for fast, slow in pairs if fast.trainable]
    for old, new, slow in zip(start, now, averages, strict=True):
        np.testing.assert_allclose(slow, 0.5 * old + 0.5 * new, rtol=1e-5, atol=1e-7)
    for fast, slow in pairs:
        if not fast.trainable:
            np.testing.assert_array_equal(fast.numpy(), slow.numpy())


def test_networks_that_are_not_built_yet_are_built_by_the_trainer(batch):
    shape = {"condition_size": 3, "noise_size": 3, "first_side": 8, "stages": 2}
    trainer = DMGANTrainer(
        Generator(4, 6, **shape),
        Generator(4, 6, **shape),
        [Discriminator(8, 2), Discriminator(16, 2)],
        TextEncoder(VOCABULARY, 6, FEATURES),
        CompactEncoder(FEATURES, (4, 4, 4, 4, 4), input_side=16),
    )
    pairs = zip(trainer.generator.weights, trainer.average_generator.weights, strict=True)
    for ours, theirs in pairs:
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    trainer.compile(sgd(), [sgd(), sgd()])
    before = weights(trainer.generator)
    trainer.train_step(batch)
    assert all(moved(before, trainer.generator))


def test_only_generator_and_discriminators_count_as_trainable(trainer):
    learning = (trainer.generator, *trainer.all_discriminators)
    assert len(trainer.trainable_variables) == sum(len(n.trainable_variables) for n in learning)
    lines = []
    trainer.summary(print_fn=lines.append)
    count = sum(w.size for w in weights(*learning))
    assert f"Trainable params: {count:,} " in "\n".join(lines)
    networks = (trainer.average_generator, trainer.text_encoder, trainer.image_encoder, *learning)
    assert trainer.count_params() == sum(network.count_params() for network in networks)


def test_evaluation_is_refused_with_what_to_do_instead(trainer, batch):
    data = tf.data.Dataset.from_tensors(batch)
    with pytest.raises(NotImplementedError, match=r"losses of a GAN .*`dmgan evaluate`"):
        trainer.evaluate(data, verbose=0)
    with pytest.raises(NotImplementedError, match="`validation_data`"):
        trainer.fit(data, validation_data=data, verbose=0)


def test_one_seed_gives_one_loss_curve():
    curves = []
    for _ in range(2):
        trainer = make_trainer(lambda: keras.optimizers.Adam(1e-3, 0.5))
        step = tf.function(trainer.train_step)
        curves.append([float(step(make_batch(seed=i))["generator_loss"]) for i in range(3)])
    assert curves[0] == curves[1]
    assert len(set(curves[0])) == 3


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [False, True])
def test_xla_step_equals_the_plain_one(recipe, batch):
    plain, compiled = make_trainer(recipe=recipe), make_trainer(recipe=recipe)
    expected = tf.function(plain.train_step)(batch)
    found = tf.function(compiled.train_step, jit_compile=True)(batch)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("recipe", [False, True])
@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_step_is_near_the_float32_one(dtype, recipe, batch):
    exact = make_trainer(recipe=recipe)
    expected = exact.train_step(batch)
    scaled = {"mixed_float16": lambda: keras.optimizers.LossScaleOptimizer(sgd(), 128.0)}
    mixed = make_trainer(scaled.get(dtype, sgd), dtype=dtype, recipe=recipe)
    before = weights(mixed.generator)
    found = mixed.train_step(batch)
    for name in (key for key in expected if "_loss" in key):
        np.testing.assert_allclose(float(found[name]), float(expected[name]), rtol=0.03)
    far = [a - b for a, b in zip(weights(mixed.generator), weights(exact.generator), strict=True)]
    way = [a - b for a, b in zip(weights(exact.generator), before, strict=True)]
    assert _length(far) < 0.5 * _length(way)
    assert all(v.dtype == "float32" for v in mixed.generator.trainable_variables)


def _length(parts):
    return np.sqrt(sum(np.sum(part**2) for part in parts))


def test_fit_trains_as_well(trainer, batch):
    before = weights(trainer.generator)
    history = trainer.fit(tf.data.Dataset.from_tensors(batch).repeat(2), epochs=1, verbose=0)
    assert np.isfinite(history.history["generator_loss"]).all()
    assert all(moved(before, trainer.generator))


# --- what a recipe adds ---------------------------------------------------------------------------


def test_recipe_moves_every_discriminator_and_no_encoder(batch):
    trainer = make_trainer(recipe=True)
    before = {n.name: weights(n) for n in (trainer.generator, *trainer.all_discriminators)}
    frozen = [w.copy() for w in trainer.image_encoder.get_weights()]
    scalars = trainer.train_step(batch)
    assert {"discriminator_loss/map_2", "generator_loss/map_2"} <= scalars.keys()
    for network in (trainer.generator, *trainer.all_discriminators):
        assert all(moved(before[network.name], network)), network.name
    for old, new in zip(frozen, trainer.image_encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_each_of_any_number_of_discriminators_judges_the_picture_of_its_side(batch):
    usual = make_trainer()
    second = Discriminator(8, 2, name="discriminator_8_again")
    judges = [usual.discriminators[0], second, usual.discriminators[1]]
    networks = usual.generator, usual.average_generator
    trainer = DMGANTrainer(*networks, judges, usual.text_encoder, usual.image_encoder)
    trainer.compile(sgd(), [sgd() for _ in judges])
    before = {network.name: weights(network) for network in judges}
    scalars = trainer.train_step(batch)
    assert "generator_loss/8_again" in scalars
    for network in judges:
        assert all(moved(before[network.name], network)), network.name


def test_step_adds_the_penalty_to_what_every_discriminator_learns(batch):
    plain, penalised = make_trainer(recipe=True), make_trainer(recipe=True)
    plain.gradient_penalty = 0.0
    for trainer in (plain, penalised):
        trainer.train_step(batch)
    pairs = zip(plain.all_discriminators, penalised.all_discriminators, strict=True)
    for one, other in pairs:
        kernels = one.feature_blocks[0].weights[0], other.feature_blocks[0].weights[0]
        assert not np.allclose(*kernels, atol=1e-6), one.name


@pytest.mark.slow
def test_a_frozen_encoder_with_maps_stays_as_it_is(batch):
    image = EfficientNetLite0Encoder(FEATURES, name="image_encoder")
    image.build()
    trainer = make_trainer(recipe=True, image_encoder=image)
    networks = trainer.feature_discriminators[0], trainer.generator
    before = [[w.copy() for w in network.get_weights()] for network in (image, *networks)]
    logs = tf.function(trainer.train_step, autograph=False)(batch)
    assert all(np.isfinite(value) for value in logs.values())
    for old, new in zip(before[0], image.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    for network, old in zip(networks, before[1:], strict=True):
        pairs = zip(old, network.get_weights(), strict=True)
        assert any(np.abs(a - b).max() > 1e-6 for a, b in pairs), network.name


def test_drawn_and_real_pictures_have_noise_of_their_own(batch):
    trainer = make_trainer(recipe=True)
    images = batch["images"][0]
    real, drawn = (trainer._augmented(images, batch, 0, which) for which in (0, 1))
    assert not np.allclose(real, drawn)
    again = trainer._augmented(images, batch, 0, 0)
    np.testing.assert_array_equal(real, again)


def test_memory_means_know_a_reading_that_differs_from_one_that_does_not(batch):
    trainer = make_trainer()
    _, output = forward(trainer, batch)
    mask = tf.sequence_mask(batch["lengths"], batch["ids"].shape[1])
    words = tf.cast(mask, tf.float32)
    uniform = tf.ones_like(output.attention[0]) * (words / tf.reduce_sum(words, 1, True))[:, None]
    flat = output._replace(
        attention=(uniform,), memory_outputs=(tf.ones_like(output.memory_outputs[0]),)
    )
    means = memory_means(flat, mask)
    assert float(means["attention_entropy/1"]) == pytest.approx(1.0, rel=1e-5)
    assert float(means["memory_deviation/1"]) == pytest.approx(0.0, abs=1e-6)
    first_word = tf.one_hot(tf.zeros(uniform.shape[:2], tf.int32), uniform.shape[2])
    sharp = memory_means(output._replace(attention=(first_word,)), mask)
    assert float(sharp["attention_entropy/1"]) == pytest.approx(0.0, abs=1e-6)
    assert float(sharp["memory_deviation/1"]) > 0
