"""Spectral normalisation: oracle, and a gradient through σ but not through u and v."""

import numpy as np
import oracles
import pytest
import tensorflow as tf

from dmgan_tf.layers.spectral_norm import SpectralNormConv2D


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def built(channels=3, filters=4, kernel_size=3, strides=1):
    layer = SpectralNormConv2D(filters, kernel_size, strides)
    layer.build((None, None, None, channels))
    layer.kernel.assign(normal(*layer.kernel.shape, seed=1))
    layer.bias.assign(normal(filters, seed=2))
    return layer


def oracle_output(layer, x, u, training):
    kernel = layer.kernel.numpy()
    _, _, sigma = oracles.power_iteration(kernel, u, training)
    return oracles.convolution(x, kernel / sigma, layer.strides) + layer.bias.numpy()


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("kernel_size", "strides"), [(3, 1), (4, 2)])
def test_output_equals_the_oracle(kernel_size, strides, training):
    layer, x = built(kernel_size=kernel_size, strides=strides), normal(2, 6, 6, 3)
    expected = oracle_output(layer, x, layer.u.numpy(), training)
    np.testing.assert_allclose(layer(x, training=training), expected, rtol=1e-5, atol=1e-5)


def test_training_call_advances_u_by_one_power_iteration():
    layer = built()
    expected, _, _ = oracles.power_iteration(layer.kernel.numpy(), layer.u.numpy(), training=True)
    layer(normal(1, 4, 4, 3), training=True)
    np.testing.assert_allclose(layer.u, expected, rtol=1e-5, atol=1e-6)


def test_inference_call_leaves_u_alone():
    layer = built()
    before = layer.u.numpy()
    layer(normal(1, 4, 4, 3))
    np.testing.assert_array_equal(layer.u, before)


def test_training_calls_never_overwrite_the_kernel():
    layer = built()
    before = layer.kernel.numpy()
    for _ in range(3):
        layer(normal(1, 4, 4, 3), training=True)
    np.testing.assert_array_equal(layer.kernel, before)


def test_kernel_in_use_converges_to_a_largest_singular_value_of_one():
    layer, x = built(), normal(1, 4, 4, 3)
    for _ in range(100):
        layer(x, training=True)
    largest = np.linalg.svd(layer.kernel.numpy().reshape(-1, 4), compute_uv=False)[0]
    expected = oracles.convolution(x, layer.kernel.numpy() / largest) + layer.bias.numpy()
    np.testing.assert_allclose(layer(x), expected, rtol=1e-5, atol=1e-5)


def kernel_gradient(layer, x, coefficients, training):
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(x, training=training) * coefficients)
    return tape.gradient(total, layer.kernel.value).numpy()


def numeric_kernel_gradient(layer, x, coefficients, sigma_of):
    """Central differences in float64 of Σ coefficients · conv(x, W / σ(W))."""
    kernel = layer.kernel.numpy().astype("float64")
    gradient, step = np.zeros_like(kernel), 1e-5
    for index in np.ndindex(*kernel.shape):
        values = []
        for sign in (1, -1):
            moved = kernel.copy()
            moved[index] += sign * step
            y = oracles.convolution(x, moved / sigma_of(moved))
            values.append((y * coefficients).sum())
        gradient[index] = (values[0] - values[1]) / (2 * step)
    return gradient


@pytest.mark.parametrize("training", [False, True])
def test_gradient_flows_through_sigma_with_u_and_v_held_constant(training):
    layer, x, coefficients = built(2, 3), normal(2, 3, 3, 2), normal(2, 3, 3, 3, seed=3)
    start = layer.u.numpy()
    u, v, sigma = oracles.power_iteration(layer.kernel.numpy(), start, training)
    actual = kernel_gradient(layer, x, coefficients, training)
    expected = numeric_kernel_gradient(
        layer, x, coefficients, lambda kernel: oracles.sigma_of(kernel, u, v)
    )
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
    # The wrong gradients are far off: that with a constant σ, and that with u and v following W.
    blind = numeric_kernel_gradient(layer, x, coefficients, lambda _: sigma)
    assert np.abs(blind - actual).max() > 0.05
    if training:  # in inference mode v = Wᵀu / |Wᵀu|, and the gradient through it is 0 anyway
        following = numeric_kernel_gradient(
            layer, x, coefficients, lambda kernel: oracles.power_iteration(kernel, start, True)[2]
        )
        assert np.abs(following - actual).max() > 0.01


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_gradients_are_those_of_tensorflows_own_convolution(dtype):
    layer = SpectralNormConv2D(4, 4, 2, dtype=dtype)
    layer.build((None, None, None, 3))
    u, v, _ = oracles.power_iteration(layer.kernel.numpy(), layer.u.numpy(), training=False)
    x, coefficients = tf.constant(normal(2, 6, 6, 3)), normal(2, 3, 3, 4, seed=3)
    kernel = tf.convert_to_tensor(layer.kernel)
    with tf.GradientTape() as tape:
        tape.watch([x, kernel])
        matrix = tf.reshape(tf.transpose(kernel, [3, 2, 0, 1]), [4, -1])
        sigma = tf.reduce_sum(matrix * np.outer(u, v).astype("float32"))
        plain = tf.reduce_sum(tf.nn.conv2d(x, kernel / sigma, 2, "SAME") * coefficients)
    expected = tape.gradient(plain, [x, kernel])
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(tf.cast(layer(x), tf.float32) * coefficients)
    actual = tape.gradient(total, [x, layer.kernel.value])
    tolerance = 1e-5 if dtype == "float32" else 0.05
    for ours, theirs in zip(actual, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def test_second_gradients_exist():
    layer, x = built(), tf.constant(normal(1, 4, 4, 3))
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            total = tf.reduce_sum(layer(x) ** 2)
        first = inner.gradient(total, x)
        penalty = tf.reduce_sum(first**2)
    second = outer.gradient(penalty, x).numpy()
    step = 1e-2 * normal(1, 4, 4, 3, seed=4)

    def penalty_at(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(layer(x) ** 2)
        return float(tf.reduce_sum(tape.gradient(total, x) ** 2))

    numeric = penalty_at(x + step) - penalty_at(x - step)
    np.testing.assert_allclose(2 * (second * step).sum(), numeric, rtol=1e-3)


def test_u_is_no_trainable_weight():
    assert [weight.name for weight in built().trainable_weights] == ["kernel", "bias"]


def test_two_replicas_advance_u_alike(strategy):
    with strategy.scope():
        layer = built()
    before, kernel = layer.u.numpy(), layer.kernel.numpy()
    expected, _, _ = oracles.power_iteration(kernel, before, training=True)
    x = tf.constant(normal(1, 4, 4, 3))
    tf.function(lambda: strategy.run(lambda: layer(x, training=True)))()
    for copy in strategy.experimental_local_results(layer.u.value):
        np.testing.assert_allclose(copy, expected, rtol=1e-5, atol=1e-6)
