"""Pictures side by side, as PNG."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image


def enlarge(images: np.ndarray, side: int) -> np.ndarray:
    """uint8 [B, s, s, 3] → [B, side, side, 3], each pixel repeated; `side` a multiple of s."""
    times = side // images.shape[1]
    return images.repeat(times, axis=1).repeat(times, axis=2)


def image_grid(rows: Sequence[np.ndarray], gap: int = 2) -> np.ndarray:
    """Rows of pictures on white: a sequence of uint8 [columns, side, side, 3] → one uint8 picture.

    Shorter rows end in white.
    """
    side, columns = rows[0].shape[1], max(len(row) for row in rows)
    pitch = side + gap
    canvas = np.full((len(rows) * pitch - gap, columns * pitch - gap, 3), 255, np.uint8)
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            canvas[y * pitch : y * pitch + side, x * pitch : x * pitch + side] = image
    return canvas


def save_png(path: Path, image: np.ndarray) -> None:
    """Writes the picture beside its place and renames it when whole."""
    partial = path.with_name(path.name + ".partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(partial, format="PNG")
    partial.replace(path)
