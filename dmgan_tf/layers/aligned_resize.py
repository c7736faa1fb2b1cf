"""Resizing of square images as products with constant matrices.

Resampling is linear and separable, so a resized image is `A · image · Aᵀ` per channel. Against
TensorFlow's own resize ops this is exact to rounding, has a gradient under XLA and exports as
plain matrix products.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import tensorflow as tf
from keras import ops


def resize_aligned_corners(images: tf.Tensor, side: int) -> tf.Tensor:
    """Resize bilinearly such that the corner pixels of input and output coincide.

    Output pixel i lies at input position i · (in − 1) / (out − 1), which is what PyTorch calls
    `align_corners=True`; downscaling is not antialiased.

    Args:
        images: float [B, in, in, C]; the side must be known when the graph is built.
        side: int, pixels of a side of the output, at least 1.

    Returns: float [B, side, side, C], dtype of `images`; `images` itself if the side matches.
    Raises:  ValueError: when the images aren't square or `side` isn't positive.
    """
    source_side = _checked_side(images, side)
    if source_side == side:
        return images
    return _resample(images, _bilinear_matrix(source_side, side))


def downscale_by_area(images: tf.Tensor, side: int) -> tf.Tensor:
    """Shrink with antialiasing: every output pixel is the mean of the area that it covers.

    Args:
        images: float [B, in, in, C]; the side must be known when the graph is built.
        side: int, pixels of a side of the output, from 1 to the side of the input.

    Returns: float [B, side, side, C], dtype of `images`; `images` itself if the side matches.
    Raises:  ValueError: when the images aren't square or are smaller than `side`.
    """
    source_side = _checked_side(images, side)
    if source_side < side:
        raise ValueError(
            f"`side` must not exceed the side of the images. Received: side={side}, "
            f"images of side {source_side}. Use `resize_aligned_corners` to enlarge."
        )
    if source_side == side:
        return images
    if source_side % side == 0:
        return ops.average_pool(images, source_side // side, data_format="channels_last")
    return _resample(images, _area_matrix(source_side, side))


def _checked_side(images: tf.Tensor, side: int) -> int:
    shape = tuple(images.shape)
    if len(shape) != 4 or shape[1] is None or shape[1] != shape[2]:
        raise ValueError(
            "`images` must be square, [B, side, side, C], with a known side. "
            f"Received: shape={shape}."
        )
    if side < 1:
        raise ValueError(f"`side` must be at least 1. Received: side={side}.")
    return shape[1]


def _resample(images: tf.Tensor, matrix: np.ndarray) -> tf.Tensor:
    side, source_side = matrix.shape
    channels = images.shape[-1]
    weights = ops.convert_to_tensor(matrix, dtype=images.dtype)
    # Both products keep the matrix on the left: one large product per image, no batched tiny ones.
    x = ops.reshape(images, (-1, source_side, source_side * channels))
    x = ops.matmul(weights, x)  # [B, side, in * C]
    x = ops.reshape(x, (-1, side, source_side, channels))
    x = ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (-1, source_side, side * channels))
    x = ops.matmul(weights, x)  # [B, side (columns), side (rows) * C]
    x = ops.reshape(x, (-1, side, side, channels))
    return ops.transpose(x, (0, 2, 1, 3))  # [B, side, side, C]


@lru_cache(maxsize=32)
def _bilinear_matrix(source_side: int, side: int) -> np.ndarray:
    """Row i holds the two weights that output pixel i gives to its neighbours in the input."""
    positions = np.linspace(0.0, source_side - 1.0, side) if side > 1 else np.zeros(1)
    distance = np.abs(positions[:, None] - np.arange(source_side)[None, :])
    return np.maximum(0.0, 1.0 - distance).astype(np.float32)


@lru_cache(maxsize=32)
def _area_matrix(source_side: int, side: int) -> np.ndarray:
    """Row i holds the shares of the input pixels in the interval that output pixel i covers."""
    edges = np.linspace(0.0, source_side, side + 1)
    pixels = np.arange(source_side)
    upper = np.minimum(edges[1:, None], pixels + 1.0)
    lower = np.maximum(edges[:-1, None], pixels)
    return (np.maximum(0.0, upper - lower) * side / source_side).astype(np.float32)
