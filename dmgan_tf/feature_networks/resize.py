"""Bilinear resizing as PyTorch and as Pillow do it, as a product with a matrix for each axis.

Scores differ by whole points with the way the pictures were resized (Parmar et al.,
arXiv:2104.11222), so each network has its own.
"""

import numpy as np
import tensorflow as tf

_PILLOW_STEPS = 1 << 22  # of its fixed-point weights for 8-bit pictures


def resize_matrix(side: int, target: int, like_pillow: bool) -> np.ndarray:
    """What each of `target` new pixels takes of each of `side` old ones along an axis.

    Pixels are areas: the corners of the outer pixels meet, not their centres. Pillow widens the
    triangle when it makes pictures smaller (antialiasing), and its weights are of fixed point.

    Returns: float64 [target, side]; each row sums to 1.
    """
    step = side / target
    reach = max(step, 1.0) if like_pillow else 1.0
    centres = (np.arange(target) + 0.5) * step
    distances = np.abs(np.arange(side) + 0.5 - centres[:, None])
    weights = np.maximum(0.0, 1.0 - distances / reach)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.floor(weights * _PILLOW_STEPS + 0.5) / _PILLOW_STEPS if like_pillow else weights


def resize(images: tf.Tensor, matrix: tf.Tensor, like_pillow: bool) -> tf.Tensor:
    """Applies the matrix along rows, then along columns.

    As Pillow does: both results are rounded to whole numbers. In float64, where the sums of its
    fixed-point products are exact, so that the result is Pillow's to the bit.

    Inputs:  images: uint8 [B, side, side, 3]; matrix: float64 [target, side].
    Returns: float32 [B, target, target, 3] in [0, 255].
    """
    x = tf.cast(images, tf.float64)
    for equation in ("ow,bhwc->bhoc", "oh,bhwc->bowc"):
        x = tf.einsum(equation, matrix, x)
        x = tf.clip_by_value(tf.floor(x + 0.5), 0.0, 255.0) if like_pillow else x
    return tf.cast(x, tf.float32)
