"""Differentiable augmentation: what networks see of pictures, while the pictures stay as they are.

Real and generated pictures are shifted, cut and coloured alike before a discriminator looks at
them, with the gradient passing through (DiffAugment, Zhao et al., 2020, arXiv:2006.10738). All
randomness comes in as numbers in [0, 1), so that a resumed run sees the same.
"""

from typing import NamedTuple

import tensorflow as tf

NOISE_SIZE = 7  # row, column; row and column of the cut; brightness, saturation, contrast


class Augmentation(NamedTuple):
    """Which augmentations, and how far.

    translation: float in [0, ½), largest shift in sides of the picture; 0: none.
    cutout: float in [0, 1), side of the square that is cut out, in sides; 0: none.
    color: bool, brightness, saturation and contrast.
    """

    translation: float = 0.0
    cutout: float = 0.0
    color: bool = False

    def __bool__(self):
        return bool(self.translation or self.cutout or self.color)

    def check(self):
        """Raises ValueError when a value is out of its range."""
        for name, end in (("translation", 0.5), ("cutout", 1)):
            value = getattr(self, name)
            if not 0 <= value < end:
                raise ValueError(f"`{name}` must lie in [0, {end}). Received: {name}={value}.")


def augment(images, noise, augmentation):
    """Pictures as a network is to see them: colour, then translation, then cutout.

    Args:
        images: float [B, side, side, C] in [−1, 1]; C = 3 where colour is changed.
        noise: float [B, NOISE_SIZE], uniform in [0, 1).
        augmentation: Augmentation.
    Returns: float [B, side, side, C], with a gradient to `images`.
    Raises: ValueError: when the augmentation is out of its ranges, or colours other than C = 3.
    """
    augmentation.check()
    if augmentation.color:
        images = change_color(images, tf.cast(noise[:, 4:7], images.dtype))
    if augmentation.translation:
        images = translate(images, noise[:, 0:2], augmentation.translation)
    if augmentation.cutout:
        images = cut_out(images, noise[:, 2:4], augmentation.cutout)
    return images


def translate(images, noise, largest):
    """Shifts each picture by whole pixels, up to `largest` sides each way, mirrored at the border.

    y[i, j] = x[i − δ₁, j − δ₂], δ uniform over the whole numbers from −m to m, m = largest · side.

    Args: images: float [B, side, side, C]. noise: float [B, 2], rows and columns, in [0, 1).
        largest: float in [0, ½).
    Returns: float [B, side, side, C].
    """
    side = images.shape[1]
    most = round(largest * side)
    shift = tf.floor(tf.cast(noise, tf.float32) * (2 * most + 1)) - most  # [B, 2]
    place = tf.abs(tf.range(side, dtype=tf.float32) - shift[..., tf.newaxis])  # [B, 2, side]
    place = tf.cast((side - 1) - tf.abs(side - 1 - place), tf.int32)
    # Products with rows of one 1 and zeros: their gradient is a product as well, where that of a
    # gather would be a slow scatter.
    rows, columns = tf.unstack(tf.one_hot(place, side, dtype=images.dtype), axis=1)
    shape = tf.shape(images)
    flat = tf.reshape(images, [shape[0], side, side * images.shape[3]])
    shifted = tf.reshape(tf.matmul(rows, flat), shape)
    return tf.einsum("bvw,bhwc->bhvc", columns, shifted)


def cut_out(images, noise, size):
    """Sets a square of each picture to 0, the middle grey; it may lie across the border.

    y = x · (1 − 1_S), S the pixels within size / 2 sides of the centre in rows and columns.

    Args: images: float [B, side, side, C]. noise: float [B, 2], its centre, in [0, 1).
        size: float in [0, 1), its side in sides of the picture.
    Returns: float [B, side, side, C].
    """
    side = images.shape[1]
    length = round(size * side)
    first = tf.floor(tf.cast(noise, tf.float32) * side) - length // 2  # [B, 2]
    place = tf.range(side, dtype=tf.float32)
    inside = (place >= first[..., tf.newaxis]) & (place < first[..., tf.newaxis] + length)
    rows, columns = tf.unstack(inside, axis=1)  # [B, side] each
    square = rows[:, :, tf.newaxis] & columns[:, tf.newaxis, :]
    return images * tf.cast(~square, images.dtype)[..., tf.newaxis]


def change_color(images, noise):
    """Brightness ± 0.5, then saturation × 0 to 2, then contrast × 0.5 to 1.5.

    With u uniform in [0, 1)³: a = x + u₁ − ½; b = ā + 2u₂ (a − ā), ā the mean of a pixel's
    colours; y = b̄ + (½ + u₃)(b − b̄), b̄ the mean of the picture.

    Args: images: float [B, side, side, 3]. noise: float [B, 3], one for each, in [0, 1).
    Returns: float [B, side, side, 3], unclipped.
    """
    if images.shape[-1] != 3:
        raise ValueError(
            f"`color` needs pictures of 3 channels; set it to false. Received: {images.shape[-1]}."
        )
    wide = noise[:, :, tf.newaxis, tf.newaxis, tf.newaxis]
    brightness, saturation, contrast = tf.unstack(wide, axis=1)  # [B, 1, 1, 1] each
    images = images + (brightness - 0.5)
    grey = tf.reduce_mean(images, axis=3, keepdims=True)
    images = grey + (images - grey) * (2.0 * saturation)
    mean = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
    return mean + (images - mean) * (0.5 + contrast)
