"""What networks see of pictures: against plain loops, with gradients, out of given noise alone."""

import re

import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.layers.augmentation import (
    NOISE_SIZE,
    Augmentation,
    augment,
    change_color,
    cut_out,
    translate,
)

SIDE = 8


def pictures(batch=3, channels=3):
    shape = batch, SIDE, SIDE, channels
    return np.random.default_rng(0).uniform(-1, 1, shape).astype("float32")


def mirrored(i):
    """A place beyond the border is that as far inside of it."""
    i = abs(i)
    return i if i < SIDE else 2 * (SIDE - 1) - i


def translated(image, rows, columns):
    result = np.zeros_like(image)
    for y in range(SIDE):
        for x in range(SIDE):
            result[y, x] = image[mirrored(y - rows), mirrored(x - columns)]
    return result


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_translation_shifts_by_whole_pixels_and_mirrors_the_border(dtype):
    images = tf.cast(pictures(5), dtype)
    # A quarter of the side is 2 pixels: five shifts, −2 to 2, of a fifth of the noise each.
    noise = np.array([[0.0, 0.99], [0.25, 0.5], [0.5, 0.5], [0.65, 0.1], [0.99, 0.35]], "float32")
    shifts = [(-2, 2), (-1, 0), (0, 0), (1, -2), (2, -1)]
    found = translate(images, noise, 0.25).numpy()
    for picture, image, shift in zip(found, images.numpy(), shifts, strict=True):
        np.testing.assert_array_equal(picture, translated(image, *shift))


def test_translation_has_the_gradient_of_its_copies():
    images = tf.constant(pictures(1))
    noise = np.array([[0.99, 0.0]], "float32")
    weights = tf.constant(pictures(1)[:, ::-1])
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(translate(images, noise, 0.25) * weights)
    expected = np.zeros((SIDE, SIDE, 3), "float32")
    for y in range(SIDE):
        for x in range(SIDE):
            expected[mirrored(y - 2), mirrored(x + 2)] += weights[0, y, x]
    np.testing.assert_allclose(tape.gradient(total, images)[0], expected, rtol=1e-5, atol=1e-6)


def test_cutout_sets_a_square_to_grey_and_no_more():
    images = np.ones((2, SIDE, SIDE, 3), "float32")
    found = cut_out(images, np.array([[0.5, 0.5], [0.0, 0.99]], "float32"), 0.5).numpy()
    expected = np.ones((2, SIDE, SIDE, 3), "float32")
    expected[0, 2:6, 2:6] = 0
    expected[1, :2, 5:] = 0  # across the border
    np.testing.assert_array_equal(found, expected)


def test_color_follows_its_formula_picture_by_picture():
    images, noise = pictures(2), np.array([[0.7, 0.25, 0.0], [0.1, 0.9, 0.8]], "float32")
    for image, (brightness, saturation, contrast), found in zip(
        images, noise, change_color(images, noise).numpy(), strict=True
    ):
        expected = image.astype("float64") + brightness - 0.5
        for y in range(SIDE):
            for x in range(SIDE):
                grey = expected[y, x].mean()
                expected[y, x] = grey + (expected[y, x] - grey) * 2 * saturation
        expected = expected.mean() + (expected - expected.mean()) * (0.5 + contrast)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_middle_noise_changes_no_color():
    noise = np.full((3, 3), 0.5, "float32")
    np.testing.assert_allclose(change_color(pictures(), noise), pictures(), atol=1e-6)


def test_maps_of_features_are_shifted_and_cut_as_well():
    noise = np.random.default_rng(1).uniform(size=(3, NOISE_SIZE)).astype("float32")
    found = augment(pictures(channels=5), noise, Augmentation(0.25, 0.5))
    assert found.shape == (3, SIDE, SIDE, 5)


@pytest.mark.parametrize("channels", [1, 5])
def test_color_of_other_than_three_channels_is_refused(channels):
    noise = np.full((3, NOISE_SIZE), 0.5, "float32")
    told = rf"^`color` needs pictures of 3 channels; set it to false\. Received: {channels}\.$"
    with pytest.raises(ValueError, match=told):
        augment(pictures(channels=channels), noise, Augmentation(color=True))


@pytest.mark.parametrize(
    ("augmentation", "told"),
    [
        (Augmentation(translation=1.5), "`translation` must lie in [0, 0.5). Received: transl"),
        (Augmentation(translation=-0.1), "`translation` must lie in [0, 0.5). Received: transl"),
        (Augmentation(cutout=-1), "`cutout` must lie in [0, 1). Received: cutout=-1."),
    ],
)
def test_augmentation_out_of_its_range_is_refused(augmentation, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        augment(pictures(), np.full((3, NOISE_SIZE), 0.5, "float32"), augmentation)


def test_picture_depends_on_its_own_noise_alone():
    noise = np.random.default_rng(1).uniform(size=(3, NOISE_SIZE)).astype("float32")
    options = Augmentation(0.25, 0.25, True)
    together = augment(pictures(), noise, options)
    for i in range(3):
        alone = augment(pictures()[i : i + 1], noise[i : i + 1], options)
        np.testing.assert_allclose(alone[0], together[i], rtol=1e-5, atol=1e-6)


def test_no_augmentation_is_false_and_any_is_true():
    assert not Augmentation()
    assert Augmentation(translation=0.1)
    assert Augmentation(cutout=0.1)
    assert Augmentation(color=True)
