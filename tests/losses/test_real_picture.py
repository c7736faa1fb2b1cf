"""Distances to the real picture: oracles, and what they must not depend on."""

import numpy as np
import tensorflow as tf

from dmgan_tf.losses.real_picture import perceptual_distance, picture_distance

SHAPES = (3, 8, 8, 4), (3, 2, 2, 5)


def maps(seed):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype("float32") for shape in SHAPES]


def test_picture_distance_counts_every_stage_alike():
    small, large = np.zeros((2, 4, 4, 3), "float32"), np.zeros((2, 8, 8, 3), "float32")
    drawn = small + np.float32(0.5), large.copy()
    drawn[1][1] -= 1
    np.testing.assert_allclose(picture_distance((small, large), drawn), [0.25, 0.75], rtol=1e-6)
    half = [tf.cast(x, tf.bfloat16) for x in drawn]
    assert picture_distance((small, large), half).dtype == tf.float32


def test_distance_is_the_mean_of_the_maps_relative_differences():
    real, drawn = maps(0), maps(1)
    pairs = list(zip(real, drawn, strict=True))
    expected = [
        np.mean([np.abs(d[i] - r[i]).sum() / np.abs(r[i]).sum() for r, d in pairs])
        for i in range(3)
    ]
    np.testing.assert_allclose(perceptual_distance(real, drawn), expected, rtol=1e-5)


def test_equal_maps_have_no_distance_and_black_ones_one():
    real = maps(0)
    np.testing.assert_array_equal(perceptual_distance(real, real), np.zeros(3))
    black = [np.zeros_like(r) for r in real]
    np.testing.assert_allclose(perceptual_distance(real, black), np.ones(3), rtol=1e-5)


def test_empty_real_maps_and_half_precision_give_finite_float32():
    black = [tf.zeros(shape, tf.bfloat16) for shape in SHAPES]
    drawn = [tf.cast(m, tf.bfloat16) for m in maps(1)]
    distance = perceptual_distance(black, drawn)
    assert distance.dtype == tf.float32
    np.testing.assert_array_less(distance, 200)
