"""Batch norm: oracle, PyTorch's moving statistics, and synchronised statistics of two replicas."""

import numpy as np
import oracles
import pytest
import tensorflow as tf

from dmgan_tf.layers.batch_norm import BatchNorm, gated_linear_unit

SHAPES = [(6, 3), (5, 4, 3), (4, 3, 3, 2)]


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(1.5, 2.0, shape).astype("float32")


def built(channels, **kwargs):
    layer = BatchNorm(**kwargs)
    layer.build((None, channels))
    layer.scale.assign(np.linspace(0.5, 2.0, channels))
    layer.offset.assign(np.linspace(-1.0, 1.0, channels))
    return layer


@pytest.mark.parametrize("shape", SHAPES)
def test_training_output_equals_the_oracle(shape):
    x, layer = normal(*shape), built(shape[-1])
    expected, _, _ = oracles.batch_norm_training(x, layer.scale.numpy(), layer.offset.numpy())
    np.testing.assert_allclose(layer(x, training=True), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_moving_variance_is_fed_with_the_unbiased_variance(shape):
    x, layer = normal(*shape), built(shape[-1], momentum=0.7)
    _, mean, variance = oracles.batch_norm_training(x, layer.scale.numpy(), layer.offset.numpy())
    layer(x, training=True)
    np.testing.assert_allclose(layer.moving_mean, 0.3 * mean, rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, 0.7 + 0.3 * variance, rtol=1e-5)


def test_inference_uses_the_moving_statistics_and_leaves_them_alone():
    x, layer = normal(4, 3), built(3)
    layer.moving_mean.assign([0.5, -1.0, 2.0])
    layer.moving_variance.assign([0.25, 4.0, 1.0])
    before = layer.get_weights()
    expected = oracles.batch_norm_inference(x, *before)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-5, atol=1e-6)
    for now, then in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_frozen_layer_stays_in_inference_mode():
    x, layer = normal(4, 3), built(3)
    layer.trainable = False
    np.testing.assert_array_equal(layer(x, training=True), layer(x))
    np.testing.assert_array_equal(layer.moving_mean, np.zeros(3))


def test_epsilon_keeps_a_constant_channel_finite():
    y = built(2)(np.ones((4, 2), "float32"), training=True)
    np.testing.assert_allclose(y, [[-1.0, 1.0]] * 4, atol=1e-5)


# --- sums over large pictures -------------------------------------------------------------------

LARGE = (4, 256, 256, 2)


def gradients(layer, x, upstream):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
    sources = [x, layer.scale.value, layer.offset.value]
    return tape.gradient(y, sources, tf.cast(upstream, y.dtype))


def exact_gradients(layer, x, upstream):
    """In float64, of input, scale and offset."""
    x, upstream = x.astype("float64"), upstream.astype("float64")
    variance = x.var((0, 1, 2)) + layer.epsilon
    normal_x = (x - x.mean((0, 1, 2))) / np.sqrt(variance)
    along = upstream * normal_x
    pull = upstream.mean((0, 1, 2)) + normal_x * along.mean((0, 1, 2))
    of_input = (upstream - pull) * layer.scale.numpy() / np.sqrt(variance)
    return of_input, along.sum((0, 1, 2)), upstream.sum((0, 1, 2))


def test_large_pictures_keep_their_digits():
    """The fused kernel of the CPU is off by 8e-5 here."""
    x, layer = normal(*LARGE), built(LARGE[-1], momentum=0.5)
    expected, mean, variance = oracles.batch_norm_training(
        x.astype("float64"), layer.scale.numpy(), layer.offset.numpy()
    )
    np.testing.assert_allclose(layer(x, training=True), expected, atol=1e-5)
    np.testing.assert_allclose(layer.moving_mean, 0.5 * mean, rtol=1e-6)
    np.testing.assert_allclose(layer.moving_variance, 0.5 + 0.5 * variance, rtol=1e-6)


def test_gradients_over_large_pictures_keep_their_digits():
    x, layer = normal(*LARGE), built(LARGE[-1])
    upstream = normal(*LARGE, seed=1) + x  # so that no sum is near zero
    found = gradients(layer, x, upstream)
    for ours, exact in zip(found, exact_gradients(layer, x, upstream), strict=True):
        assert np.abs(ours - exact).max() <= 3e-6 * np.abs(exact).max()


def test_gate_behind_large_pictures_is_a_gated_linear_unit():
    x, upstream = normal(*LARGE), normal(*LARGE[:3], 1, seed=1)
    layers = built(LARGE[-1], gated=True), built(LARGE[-1])
    with tf.GradientTape(persistent=True) as tape:
        x = tf.constant(x)
        tape.watch(x)
        found = layers[0](x, training=True)
        expected = gated_linear_unit(layers[1](x, training=True))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    ours, theirs = (
        tape.gradient(y, [x, layer.scale.value, layer.offset.value], upstream)
        for y, layer in zip((found, expected), layers, strict=True)
    )
    for one, other in zip(ours, theirs, strict=True):
        assert np.abs(one - other).max() <= 1e-5 * np.abs(other).max()
    np.testing.assert_allclose(layers[0].moving_variance, layers[1].moving_variance, rtol=1e-6)


def test_large_pictures_of_unknown_batch_size_are_normalised_alike():
    x, layer = normal(*LARGE), built(LARGE[-1])
    spec = tf.TensorSpec([None, *LARGE[1:]], tf.float32)
    traced = tf.function(lambda x: layer(x, training=True), input_signature=[spec])
    np.testing.assert_allclose(traced(x), layer(x, training=True), atol=1e-6)


def test_large_pictures_keep_their_dtype_under_mixed_precision():
    x, layer = normal(*LARGE), built(LARGE[-1], dtype="mixed_bfloat16")
    assert layer(x, training=True).dtype == tf.bfloat16
    of_input, of_scale, _ = gradients(layer, tf.cast(x, tf.bfloat16), normal(*LARGE, seed=1))
    assert of_input.dtype == tf.bfloat16
    assert of_scale.dtype == tf.float32


# --- two replicas -----------------------------------------------------------------------------


def on_replicas(strategy, layer, parts, coefficients):
    """Joint (y, gradient of x, summed gradient of the scale) of one training call, part each."""

    def step(x, c):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
            total = tf.reduce_sum(y * c)
        return y, *tape.gradient(total, [x, layer.scale.value])

    def values(arrays):
        return strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(arrays[context.replica_id_in_sync_group])
        )

    run = tf.function(lambda x, c: strategy.run(step, (x, c)))
    y, dx, dscale = map(
        strategy.experimental_local_results, run(values(parts), values(coefficients))
    )
    return np.concatenate(y), np.concatenate(dx), np.add(*map(np.array, dscale))


def replicas_and_one(strategy, sizes):
    """Results and moving statistics of two replicas, and of one replica with the joint batch."""
    x, coefficients = normal(sum(sizes), 3, 3, 2), normal(sum(sizes), 3, 3, 2, seed=1)
    with strategy.scope():
        spread = built(2)
    actual = on_replicas(
        strategy, spread, np.split(x, sizes[:1]), np.split(coefficients, sizes[:1])
    )
    one, tensor = built(2), tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        y = one(tensor, training=True)
        total = tf.reduce_sum(y * coefficients)
    expected = [y, *tape.gradient(total, [tensor, one.scale.value])]
    return spread, actual, one, expected


def test_two_replicas_equal_one_with_the_joint_batch(strategy):
    _, actual, _, expected = replicas_and_one(strategy, (3, 3))
    for ours, reference in zip(actual, expected, strict=True):
        np.testing.assert_allclose(ours, reference, rtol=1e-5, atol=1e-5)


def test_replicas_of_unequal_batches_weigh_by_their_samples(strategy):
    _, actual, _, expected = replicas_and_one(strategy, (2, 4))
    np.testing.assert_allclose(actual[0], expected[0], rtol=1e-5, atol=1e-5)


def test_every_replica_keeps_the_joint_moving_statistics(strategy):
    spread, _, one, _ = replicas_and_one(strategy, (3, 3))
    for name in ("moving_mean", "moving_variance"):
        expected = getattr(one, name).numpy()
        copies = strategy.experimental_local_results(getattr(spread, name).value)
        assert len(copies) == 2
        for copy in copies:
            np.testing.assert_allclose(copy, expected, rtol=1e-5)
