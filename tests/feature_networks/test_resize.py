"""Resizing against Pillow to the bit, and against PyTorch's rule pixel by pixel."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dmgan_tf.feature_networks.resize import resize, resize_matrix


def noise(side):
    return np.random.default_rng(side).integers(0, 256, (2, side, side, 3), np.uint8)


@pytest.mark.parametrize("side", [32, 64, 256, 299, 300, 500])
def test_pillows_resize_to_the_bit(side):
    images = noise(side)
    found = resize(tf.constant(images), tf.constant(resize_matrix(side, 299, True)), True).numpy()
    size, method = (299, 299), Image.Resampling.BILINEAR
    expected = [np.asarray(Image.fromarray(image).resize(size, method)) for image in images]
    np.testing.assert_array_equal(found, np.stack(expected))


@pytest.mark.parametrize("side", [7, 20, 33])
def test_plain_resize_mixes_the_nearest_two_pixels_of_each_axis(side):
    """PyTorch's `interpolate` with align_corners=False: at (i + 1/2) · side / target − 1/2."""
    images = noise(side)
    found = resize(tf.constant(images), tf.constant(resize_matrix(side, 20, False)), False).numpy()
    for row in range(20):
        for column in range(20):
            y, x = (max((i + 0.5) * side / 20 - 0.5, 0.0) for i in (row, column))
            top, left = int(y), int(x)
            bottom, right = min(top + 1, side - 1), min(left + 1, side - 1)
            upper = images[:, top, left] * (1 - x + left) + images[:, top, right] * (x - left)
            lower = images[:, bottom, left] * (1 - x + left) + images[:, bottom, right] * (x - left)
            expected = upper * (1 - y + top) + lower * (y - top)
            np.testing.assert_allclose(found[:, row, column], expected, atol=1e-4)
