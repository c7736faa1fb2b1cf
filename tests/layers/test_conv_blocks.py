"""Convolutional blocks: oracles, and the folded upsampling against the plain one."""

import keras
import numpy as np
import oracles
import pytest
import tensorflow as tf

from dmgan_tf.layers.batch_norm import BatchNorm
from dmgan_tf.layers.conv_blocks import (
    DownsampleBlock,
    GatedLinearUnit,
    JointBlock,
    ResidualBlock,
    UpsampleBlock,
)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def norm_oracle(x, layer):
    return oracles.batch_norm_training(x, layer.scale.numpy(), layer.offset.numpy())[0]


@pytest.mark.parametrize("shape", [(3, 8), (2, 3, 4), (2, 3, 3, 6)])
def test_gated_linear_unit_equals_the_oracle(shape):
    x = normal(*shape)
    np.testing.assert_allclose(GatedLinearUnit()(x), oracles.glu(x), rtol=1e-5, atol=1e-6)


def test_gated_linear_unit_refuses_an_odd_number_of_channels():
    with pytest.raises(ValueError, match=r"number must be even. Received: input_shape=\(2, 5\)"):
        GatedLinearUnit()(normal(2, 5))


def test_upsample_block_equals_the_oracle():
    block, x = UpsampleBlock(2), normal(3, 4, 4, 3)
    block.build(x.shape)
    y = oracles.convolution(oracles.upsample_nearest(x), block.kernel.numpy())
    expected = oracles.glu(norm_oracle(y, block.batch_norm))
    np.testing.assert_allclose(block(x, training=True), expected, rtol=1e-5, atol=1e-5)


def values_and_gradients(call, x, kernel, coefficients):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = call(x)
        total = tf.reduce_sum(y * coefficients)
    return [y, *tape.gradient(total, [x, kernel.value])]


@pytest.mark.parametrize("side", [1, 4, 5])
def test_upsample_block_has_values_and_gradients_of_upsampling_then_convolving(side):
    block, x = UpsampleBlock(2), normal(2, side, side, 3)
    block.build(x.shape)
    conv = keras.layers.Conv2D(4, 3, padding="same", use_bias=False)
    plain = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            keras.layers.UpSampling2D(interpolation="nearest"),
            conv,
            BatchNorm(),
            GatedLinearUnit(),
        ]
    )
    conv.kernel.assign(block.kernel)
    block.batch_norm.scale.assign(np.ones(4))
    coefficients = normal(2, 2 * side, 2 * side, 2, seed=1)
    actual = values_and_gradients(lambda x: block(x, training=True), x, block.kernel, coefficients)
    expected = values_and_gradients(lambda x: plain(x, training=True), x, conv.kernel, coefficients)
    for ours, theirs in zip(actual, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=2e-5)


def test_upsample_block_takes_pictures_of_unknown_side():
    block = UpsampleBlock(2)
    block.build((None, None, None, 3))
    signature = [tf.TensorSpec([None, None, None, 3], tf.float32)]
    traced = tf.function(lambda x: block(x), input_signature=signature)
    for side in (2, 5):
        x = normal(1, side, side, 3)
        np.testing.assert_allclose(traced(x), block(x), rtol=1e-5, atol=1e-6)


def test_residual_block_equals_the_oracle():
    block, x = ResidualBlock(), normal(3, 4, 4, 2)
    block.build(x.shape)
    y = norm_oracle(oracles.convolution(x, block.conv_in.kernel.numpy()), block.batch_norm_in)
    y = oracles.convolution(oracles.glu(y), block.conv_out.kernel.numpy())
    expected = x + norm_oracle(y, block.batch_norm_out)
    np.testing.assert_allclose(block(x, training=True), expected, rtol=1e-5, atol=1e-5)


def test_residual_block_is_the_identity_where_its_last_scale_is_zero():
    block, x = ResidualBlock(), normal(2, 4, 4, 2)
    block.build(x.shape)
    block.batch_norm_out.scale.assign(np.zeros(2))
    np.testing.assert_allclose(block(x, training=True), x, rtol=1e-6)


@pytest.mark.parametrize(("kernel_size", "strides"), [(4, 2), (3, 1)])
def test_downsample_block_equals_the_oracle(kernel_size, strides):
    block, x = DownsampleBlock(4, kernel_size, strides), normal(2, 6, 6, 3)
    block.build(x.shape)
    kernel, bias, u = (w.numpy() for w in (block.conv.kernel, block.conv.bias, block.conv.u))
    _, _, sigma = oracles.power_iteration(kernel, u, training=True)
    expected = oracles.leaky_relu(oracles.convolution(x, kernel / sigma, strides) + bias)
    np.testing.assert_allclose(block(x, training=True), expected, rtol=1e-5, atol=1e-6)


def test_scales_start_around_one_and_kernels_orthogonal():
    block = ResidualBlock()
    block.build((None, None, None, 32))
    scale = block.batch_norm_in.scale.numpy()
    assert abs(scale.mean() - 1) < 0.02 and 0.01 < scale.std() < 0.03
    matrix = block.conv_out.kernel.numpy().reshape(-1, 32)
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(32), atol=1e-5)


def test_residual_block_of_one_half_is_that_of_both():
    of_half, of_both = ResidualBlock(half_input=True), ResidualBlock()
    half = tf.random.normal([2, 5, 5, 3], seed=1)
    of_half.build((None, 5, 5, 3))
    of_both.build((None, 5, 5, 6))
    of_both.set_weights(of_half.get_weights())

    def run(block):
        with tf.GradientTape() as tape:
            tape.watch(half)
            x = half if block.half_input else tf.concat([half, half], axis=-1)
            output = block(x, training=True)
            loss = tf.reduce_sum(tf.sin(output))
        return [output, *tape.gradient(loss, [half, *block.trainable_variables])]

    for plain, fast in zip(run(of_both), run(of_half), strict=True):
        np.testing.assert_allclose(fast, plain, rtol=1e-4, atol=1e-5)


def test_number_of_channels_alone_makes_no_input_a_half():
    block = ResidualBlock()
    block.build((None, 5, 5, 6))
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        block(normal(2, 5, 5, 3))


@pytest.mark.parametrize("side", [2, 3, 4, 5])
def test_joint_block_has_values_and_gradients_of_convolving_the_tiled_sentence(side):
    features, sentences = normal(2, side, side, 3), normal(4, 5, seed=1)
    index = np.array([1, 0, 0, 1], "int32")
    joint, plain = JointBlock(6), DownsampleBlock(6, 3, 1)
    joint.build(features.shape, sentences.shape)
    plain.build((4, side, side, 8))
    for ours, theirs in zip(plain.weights, joint.weights, strict=True):
        ours.assign(theirs)
    tiled = np.tile(sentences[:, None, None], (1, side, side, 1))
    both = np.concatenate([features[index], tiled], axis=-1)
    coefficients = normal(4, side, side, 6, seed=2)
    found = []
    for layer, arguments in ((joint, (features, sentences, index)), (plain, (both,))):
        with tf.GradientTape() as tape:
            y = layer(*arguments, training=True)
            total = tf.reduce_sum(y * coefficients)
        found.append([y, layer.conv.u.value, *tape.gradient(total, layer.trainable_variables)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_joint_block_refuses_a_map_of_one_pixel():
    with pytest.raises(ValueError, match=r"must have a side of 2 or more. Received: \(2, 1, 1, 3"):
        JointBlock(6).build((2, 1, 1, 3), (2, 5))
