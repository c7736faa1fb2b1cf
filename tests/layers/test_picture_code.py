"""Codes of pictures, and the noise that carries them."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import kstest, spearmanr

from dmgan_tf.layers.picture_code import PictureCode


def pictures(count=200, side=8):
    """Pictures that differ by the brightness of a half and, less, by the red of the other."""
    rng = np.random.default_rng(0)
    images = np.full((count, side, side, 3), 120, np.uint8)
    images[:, : side // 2] += rng.integers(0, 100, (count, 1, 1, 1), np.uint8)
    images[:, side // 2 :, :, 0] += rng.integers(0, 40, (count, 1, 1), np.uint8)
    return images


def scaled(images):
    return tf.constant(images, tf.float32) / 127.5 - 1.0


@pytest.fixture
def code():
    layer = PictureCode(2)
    layer.adapt(pictures())
    return layer


def test_codes_of_the_adapted_pictures_have_mean_0_and_identity_covariance(code):
    found = code(scaled(pictures())).numpy()
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(np.cov(found.T, bias=True), np.eye(2), atol=1e-3)


def test_first_number_is_what_differs_most_whatever_the_side(code):
    images = pictures(side=16)
    first, second = code(scaled(images)).numpy().T
    assert abs(np.corrcoef(first, images[:, 0, 0, 0])[0, 1]) > 0.999
    assert abs(np.corrcoef(second, images[:, -1, 0, 0])[0, 1]) > 0.99


def test_code_is_the_whitened_projection_of_the_means_of_16_parts(code):
    image = np.random.default_rng(1).uniform(-1, 1, (8, 8, 3)).astype(np.float32)
    means = [
        image[2 * row : 2 * row + 2, 2 * column : 2 * column + 2, channel].mean()
        for row in range(4)
        for column in range(4)
        for channel in range(3)
    ]
    expected = (np.array(means) - code.mean.numpy()) @ code.components.numpy()
    np.testing.assert_allclose(code(image[None])[0], expected, rtol=1e-4)


def test_pictures_that_differ_too_little_are_refused():
    with pytest.raises(ValueError, match=r"^200 pictures that hardly differ have no code of 3 num"):
        PictureCode(3).adapt(pictures())
    with pytest.raises(ValueError, match=r"^2 pictures"):
        PictureCode(3).adapt(pictures(2))


def test_side_that_is_no_multiple_of_4_is_refused(code):
    with pytest.raises(
        ValueError, match=r"The side of pictures must be a multiple of 4\. Received"
    ):
        code(tf.zeros([1, 6, 6, 3]))


def test_noises_of_two_kinds_of_pictures_are_normal_all_the_same():
    images = pictures(1000)
    images[::2, :4] //= 3
    layer = PictureCode(1)
    layer.adapt(images)
    codes = layer(scaled(images))
    noises = layer.noise_of(codes).numpy()[:, 0]
    assert kstest(noises, "norm").pvalue > 0.01 > kstest(codes[:, 0], "norm").pvalue
    assert spearmanr(noises, codes[:, 0]).statistic > 0.99


def test_code_between_the_known_ones_has_the_noise_of_the_nearest(code):
    known = code.codes.numpy()[:200]
    distances = np.square(known[:, None] - known).sum(axis=2)
    distances[np.eye(len(known), dtype=bool)] = np.inf
    nearest = known[distances.argmin(axis=1)]
    found = code.noise_of(tf.constant(known + 0.4 * (nearest - known)))
    np.testing.assert_array_equal(found, code.noise_of(tf.constant(known)))


def test_noise_of_the_chosen_samples_begins_with_their_code(code):
    images, noise = scaled(pictures(4)), tf.random.normal([4, 5])
    batch = {"images": (images[:, :4, :4], images), "noise": noise}
    found = code.with_code_noise(batch, tf.constant([0.4, 0.5, 0.0, 0.9]))
    expected = noise.numpy()
    expected[[0, 2], :2] = code.noise_of(code(images)).numpy()[[0, 2]]
    np.testing.assert_array_equal(found["noise"], expected)
    assert found["has_code"].numpy().tolist() == [1, 0, 1, 0]
    assert "code" not in batch


def test_error_is_the_distance_from_the_code_in_the_noise(code):
    images = scaled(pictures(4))
    batch = {"images": (images,), "noise": tf.zeros([4, 2])}
    batch = code.with_code_noise(batch, tf.constant([0.0, 0.0, 0.9, 0.9]))
    np.testing.assert_allclose(code.code_error(images, batch), 0, atol=1e-6)
    others = tf.reverse(images, [0])
    distance = np.square(code(others) - code(images)).mean(axis=1)
    np.testing.assert_allclose(code.code_error(others, batch), distance * [1, 1, 0, 0], rtol=1e-4)
