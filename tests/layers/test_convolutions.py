"""Convolutions with gradients of their own, against the stock ones."""

import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.layers import cpu
from dmgan_tf.layers.convolutions import (
    convolve,
    reflect,
    reflect_by_parts,
    upsample_and_convolve,
)
from dmgan_tf.layers.cpu import winograd


def normal(*shape, seed):
    return tf.constant(np.random.default_rng(seed).normal(size=shape).astype("float32"))


def stock_convolve(x, kernel):
    return tf.nn.conv2d(x, kernel, 1, "SAME")


def stock_upsample_and_convolve(x, kernel):
    return stock_convolve(tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2), kernel)


PAIRS = {
    "convolve": (convolve, stock_convolve),
    "upsample_and_convolve": (upsample_and_convolve, stock_upsample_and_convolve),
}
WINOGRAD_PAIRS = {
    "plain": (winograd.PLAIN.convolve, stock_convolve),
    "upsampled": (winograd.UPSAMPLED.convolve, stock_upsample_and_convolve),
}


def value_and_gradients(function, x, kernel):
    with tf.GradientTape() as tape:
        tape.watch([x, kernel])
        loss = tf.reduce_sum(tf.sin(function(x, kernel)))
    return [function(x, kernel), *tape.gradient(loss, [x, kernel])]


def assert_alike(ours, stock, x, kernel, graph=None):
    for actual, expected in zip(
        (graph or (lambda x: value_and_gradients(ours, x, kernel)))(x),
        value_and_gradients(stock, x, kernel),
        strict=True,
    ):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 4), (16, 16)], ids=str)
@pytest.mark.parametrize(("ours", "stock"), PAIRS.values(), ids=PAIRS)
def test_value_and_gradients_are_the_stock_ones(ours, stock, size):
    assert_alike(ours, stock, normal(3, *size, 5, seed=0), normal(3, 3, 5, 4, seed=1))


def mirrored(x):
    return np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), "reflect")


@pytest.mark.parametrize("padding", ["zeros", "reflect"])
def test_upsampling_keeps_what_is_known_of_the_shape(padding):
    kernel = np.zeros((3, 3, 3, 4), "float32")
    function = tf.function(lambda x: upsample_and_convolve(x, kernel, padding))
    traced = function.get_concrete_function(tf.TensorSpec([None, None, 8, 3]))
    assert traced.structured_outputs.shape.as_list() == [None, None, 16, 4]


@pytest.mark.parametrize("rows", [(0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("columns", [(0, 1), (1, 0), (1, 1)])
def test_edges_mirrored_by_parts_are_the_same(rows, columns):
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 3)).astype("float32")
    paddings = ((0, 0), rows, columns, (0, 0))
    np.testing.assert_array_equal(reflect_by_parts(x, paddings), reflect(x, paddings))


def test_reflected_pixels_stand_beyond_the_edges():
    x, kernel = normal(2, 4, 6, 3, seed=0), normal(3, 3, 3, 5, seed=1)
    expected = stock_convolve(mirrored(x), kernel)[:, 1:-1, 1:-1]
    np.testing.assert_allclose(convolve(x, kernel, "reflect"), expected, rtol=1e-5, atol=1e-5)
    expected = stock_upsample_and_convolve(mirrored(x), kernel)[:, 2:-2, 2:-2]
    found = upsample_and_convolve(x, kernel, "reflect")
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("function", [convolve, upsample_and_convolve])
def test_a_plain_map_stays_plain_up_to_its_reflected_edges(function):
    plain, kernel = tf.ones([1, 8, 8, 2]), normal(3, 3, 2, 1, seed=1)
    assert np.ptp(function(plain, kernel, "reflect")) < 1e-5
    assert np.ptp(function(plain, kernel)) > 0.1


@pytest.mark.parametrize("size", [(2, 2), (2, 6), (16, 8)], ids=str)
@pytest.mark.parametrize(("ours", "stock"), WINOGRAD_PAIRS.values(), ids=WINOGRAD_PAIRS)
def test_winograds_value_and_gradients_are_the_stock_ones(ours, stock, size):
    assert_alike(ours, stock, normal(3, *size, 5, seed=0), normal(3, 3, 5, 4, seed=1))


@pytest.mark.parametrize("how", ["eager", "batch unknown", "xla"])
@pytest.mark.parametrize(("ours", "stock"), WINOGRAD_PAIRS.values(), ids=WINOGRAD_PAIRS)
def test_winograds_pictures_may_be_convolved_in_turns(ours, stock, how, monkeypatch):
    """A batch of 4 whose tiles are too many for a turn."""
    monkeypatch.setattr(winograd, "_TILES_AT_ONCE", 32)
    x, kernel = normal(4, 8, 8, 5, seed=0), normal(3, 3, 5, 4, seed=1)
    options = {
        "eager": None,
        "batch unknown": {"input_signature": [tf.TensorSpec([None, 8, 8, 5], tf.float32)]},
        "xla": {"jit_compile": True},
    }[how]
    graph = options and tf.function(lambda x: value_and_gradients(ours, x, kernel), **options)
    assert_alike(ours, stock, x, kernel, graph)


@pytest.mark.parametrize(("ours", "stock"), PAIRS.values(), ids=PAIRS)
def test_in_a_graph_of_unknown_sizes(ours, stock):
    kernel = normal(3, 3, 5, 4, seed=1)
    signature = [tf.TensorSpec([None, None, None, 5], tf.float32)]
    graph = tf.function(lambda x: value_and_gradients(ours, x, kernel), input_signature=signature)
    for size in (2, 5):
        assert_alike(ours, stock, normal(2, size, size, 5, seed=size), kernel, graph)


@pytest.mark.parametrize(("ours", "stock"), PAIRS.values(), ids=PAIRS)
def test_a_large_convolution_in_a_graph_of_any_batch(ours, stock):
    kernel = 0.1 * normal(3, 3, 64, 64, seed=1)
    signature = [tf.TensorSpec([None, 32, 32, 64], tf.float32)]
    graph = tf.function(lambda x: ours(x, kernel), input_signature=signature)
    schemes = {convolve: winograd.PLAIN, upsample_and_convolve: winograd.UPSAMPLED}
    assert cpu.convolution((32, 32), kernel, ours is upsample_and_convolve) is schemes[ours]
    for batch in (1, 2):
        x = normal(batch, 32, 32, 64, seed=batch)
        np.testing.assert_allclose(graph(x), stock(x, kernel), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("sides", "dtype"), [((33, 32), "float32"), ((None, 32), "float32"), ((64, 64), "bfloat16")]
)
def test_what_winograds_form_cannot_do_well_is_left_to_the_stock_one(sides, dtype):
    kernel = tf.cast(normal(3, 3, 64, 64, seed=1), dtype)
    assert cpu.convolution(sides, kernel) is None
