"""The pictures that a judge looks at, brought to its own side."""

import numpy as np
from PIL import Image


def working_images(images: np.ndarray, side: int) -> np.ndarray:
    """Return uint8 [N, side, side, 3], resized by the mean of the pixels below each pixel.

    Args:   images: uint8 [N, any side, same side, 3].
    Raises: ValueError: when `images` is not a batch of square uint8 pictures.
    """
    check_images(images)
    if images.shape[1] == side:
        return images
    resized = [Image.fromarray(i).resize((side, side), Image.Resampling.BOX) for i in images]
    return np.array(resized, np.uint8).reshape(-1, side, side, 3)


def check_images(images: np.ndarray) -> None:
    """Raise ValueError when `images` is not a batch of square uint8 pictures."""
    if images.ndim != 4 or images.shape[1] != images.shape[2] or images.shape[3] != 3:
        raise ValueError(
            f"`images` must have the shape [N, side, side, 3]. Received: shape={images.shape}."
        )
    if images.dtype != np.uint8:
        raise ValueError(
            f"`images` must be uint8 in 0..255. Received: dtype={images.dtype}. "
            "Rescale and round them first."
        )
