"""Pictures as grey levels, side by side, as files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from dmgan_tf.errors import UserError
from dmgan_tf.whole_file import whole_file


def to_uint8(images) -> np.ndarray:
    """float in [−1, 1] → uint8, rounded to the nearest grey level."""
    return np.clip(np.rint((np.asarray(images, np.float32) + 1.0) * 127.5), 0, 255).astype(np.uint8)


def enlarge(images: np.ndarray, side: int) -> np.ndarray:
    """uint8 [B, s, s, 3] → [B, side, side, 3], each pixel repeated; `side` a multiple of s."""
    times = side // images.shape[1]
    return images.repeat(times, axis=1).repeat(times, axis=2)


def image_grid(rows: Sequence[np.ndarray], gap: int = 2) -> np.ndarray:
    """Rows of pictures on white: uint8 [columns, height, width, 3] each → one uint8 picture.

    Shorter rows end in white.
    """
    _, height, width, _ = rows[0].shape
    down, right = height + gap, width + gap
    columns = max(len(row) for row in rows)
    canvas = np.full((len(rows) * down - gap, columns * right - gap, 3), 255, np.uint8)
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            canvas[y * down : y * down + height, x * right : x * right + width] = image
    return canvas


_FORMATS: dict[str, dict] = {
    ".png": {"format": "PNG"},
    ".jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    ".jpeg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    ".webp": {"format": "WEBP", "lossless": True},
}


def save_picture(path: Path, image: np.ndarray) -> None:
    """Writes the picture, uint8 [height, width, 3], whole or not at all.

    Args: path: its suffix says the format: .png, .jpg, .jpeg or .webp (lossless).
    Raises: UserError: when it can't be written there.
    """
    if path.is_dir() or not path.name:
        raise UserError(f"{path}: is a folder. Name a picture file to write.")
    if path.suffix.lower() not in _FORMATS:
        raise UserError(f"{path}: a picture's name ends in {', '.join(_FORMATS)}.")
    with whole_file(path) as partial:
        Image.fromarray(image).save(partial, **_FORMATS[path.suffix.lower()])
