"""Convolutions with gradients of their own, against the stock ones."""

import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.layers.convolutions import convolve, upsample_and_convolve


def normal(*shape, seed):
    return tf.constant(np.random.default_rng(seed).normal(size=shape).astype("float32"))


def stock_convolve(x, kernel):
    return tf.nn.conv2d(x, kernel, 1, "SAME")


def stock_upsample_and_convolve(x, kernel):
    return stock_convolve(tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2), kernel)


PAIRS = [(convolve, stock_convolve), (upsample_and_convolve, stock_upsample_and_convolve)]


def value_and_gradients(function, x, kernel):
    with tf.GradientTape() as tape:
        tape.watch([x, kernel])
        loss = tf.reduce_sum(tf.sin(function(x, kernel)))
    return [function(x, kernel), *tape.gradient(loss, [x, kernel])]


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 4), (16, 16)], ids=str)
@pytest.mark.parametrize(("ours", "stock"), PAIRS, ids=["convolve", "upsample_and_convolve"])
def test_value_and_gradients_are_the_stock_ones(ours, stock, size):
    x, kernel = normal(3, *size, 5, seed=0), normal(3, 3, 5, 4, seed=1)
    for actual, expected in zip(
        value_and_gradients(ours, x, kernel), value_and_gradients(stock, x, kernel), strict=True
    ):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("ours", "stock"), PAIRS, ids=["convolve", "upsample_and_convolve"])
def test_gradients_in_a_graph_of_unknown_sizes(ours, stock):
    kernel = normal(3, 3, 5, 4, seed=1)
    signature = [tf.TensorSpec([None, None, None, 5], tf.float32)]
    graph = tf.function(lambda x: value_and_gradients(ours, x, kernel), input_signature=signature)
    for size in (2, 5):
        x = normal(2, size, size, 5, seed=size)
        expected = value_and_gradients(stock, x, kernel)
        for one, other in zip(graph(x), expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
