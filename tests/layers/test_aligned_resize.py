"""Resizing against pixel-by-pixel oracles."""

import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.layers.aligned_resize import downscale_by_area, resize_aligned_corners


def random_images(batch, side):
    return np.random.default_rng(0).uniform(-1, 1, (batch, side, side, 3)).astype("float32")


def bilinear_oracle(image, side):
    """Aligned corners, pixel by pixel; image: [in, in, C]."""
    source_side = len(image)
    result = np.zeros((side, side, image.shape[-1]))
    scale = (source_side - 1) / (side - 1) if side > 1 else 0.0
    for i in range(side):
        for j in range(side):
            top, left = int(i * scale), int(j * scale)
            bottom, right = min(top + 1, source_side - 1), min(left + 1, source_side - 1)
            down, across = i * scale - top, j * scale - left
            upper = image[top, left] * (1 - across) + image[top, right] * across
            lower = image[bottom, left] * (1 - across) + image[bottom, right] * across
            result[i, j] = upper * (1 - down) + lower * down
    return result


@pytest.mark.parametrize(("source_side", "side"), [(5, 12), (12, 5), (7, 13), (4, 1), (1, 3)])
def test_aligned_resize_equals_the_oracle(source_side, side):
    images = random_images(2, source_side)
    expected = np.stack([bilinear_oracle(image.astype("float64"), side) for image in images])
    actual = resize_aligned_corners(tf.constant(images), side)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def test_aligned_resize_keeps_images_of_the_same_side():
    images = tf.constant(random_images(1, 6))
    assert resize_aligned_corners(images, 6) is images


def test_aligned_resize_has_an_xla_gradient_and_a_free_batch_size():
    @tf.function(jit_compile=True, input_signature=[tf.TensorSpec([None, 6, 6, 3])])
    def gradient(images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            total = tf.reduce_sum(resize_aligned_corners(images, 9))
        return tape.gradient(total, images)

    for batch in (1, 3):
        # The weights of every output pixel add up to 1.
        total = tf.reduce_sum(gradient(tf.constant(random_images(batch, 6))))
        np.testing.assert_allclose(total, batch * 3 * 81, rtol=1e-5)


def area_oracle(image, side):
    """Mean over the covered area; image: [in, in, C]. Both sides are cut to common tiles."""
    source_side = len(image)
    fine = image.repeat(side, axis=0).repeat(side, axis=1)  # [in * side, in * side, C]
    result = np.zeros((side, side, image.shape[-1]))
    for i in range(side):
        for j in range(side):
            rows = slice(i * source_side, (i + 1) * source_side)
            columns = slice(j * source_side, (j + 1) * source_side)
            result[i, j] = fine[rows, columns].mean((0, 1))
    return result


@pytest.mark.parametrize(("source_side", "side"), [(12, 4), (10, 4), (7, 5), (5, 5)])
def test_area_downscale_equals_the_oracle(source_side, side):
    images = random_images(2, source_side)
    expected = np.stack([area_oracle(image.astype("float64"), side) for image in images])
    actual = downscale_by_area(tf.constant(images), side)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def test_resizing_refuses_bad_arguments():
    images = tf.zeros([1, 4, 4, 3])
    with pytest.raises(ValueError, match=r"`side` must be at least 1. Received: side=0"):
        resize_aligned_corners(images, 0)
    with pytest.raises(ValueError, match="must not exceed the side of the images"):
        downscale_by_area(images, 8)
    with pytest.raises(ValueError, match="must be square"):
        resize_aligned_corners(tf.zeros([1, 4, 5, 3]), 8)
