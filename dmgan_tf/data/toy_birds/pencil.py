"""Filled shapes and lines in unit coordinates, anti-aliased by drawing large and averaging."""

from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageDraw

Color = tuple[int, int, int]
_MIN_CANVAS_SIDE = 256
_MIN_OVERSAMPLING = 4


class Pencil:
    """Draws on a square canvas whose corners are (0, 0) and (1, 1).

    Args:
        side: int, side of the finished picture in pixels.
        background: (top, bottom) colours of a vertical gradient.
    """

    def __init__(self, side: int, background: tuple[Color, Color]) -> None:
        self._oversampling = max(_MIN_OVERSAMPLING, -(-_MIN_CANVAS_SIDE // side))
        self._canvas_side = side * self._oversampling
        top, bottom = np.array(background, np.float64)
        ramp = np.linspace(top, bottom, self._canvas_side)
        column = Image.fromarray(np.rint(ramp).astype(np.uint8)[:, None])
        self._image = column.resize((self._canvas_side,) * 2, Image.Resampling.NEAREST)
        self._draw = ImageDraw.Draw(self._image)

    def fill(self, points: np.ndarray, color: Color) -> None:
        """Fill the polygon `points`, float [points, 2]."""
        self._draw.polygon(self._pixels(points), fill=color)

    def stroke(self, points: np.ndarray, color: Color, width: float, closed: bool = False) -> None:
        """Draw a line through `points`; `width` in sides of the picture."""
        if closed:
            points = np.concatenate([points, points[:1]])
        width_pixels = max(1, round(width * self._canvas_side))
        self._draw.line(self._pixels(points), fill=color, width=width_pixels)

    def dots(self, centers: Iterable[np.ndarray], radius: float, color: Color) -> None:
        """Fill a disc around each centre."""
        r = radius * self._canvas_side
        for x, y in centers:
            x, y = x * self._canvas_side, y * self._canvas_side
            self._draw.ellipse((x - r, y - r, x + r, y + r), fill=color)

    def finish(self) -> np.ndarray:
        """Return the picture, uint8 [side, side, 3]."""
        return np.asarray(self._image.reduce(self._oversampling))

    def _pixels(self, points: np.ndarray) -> list[float]:
        return (np.asarray(points) * self._canvas_side).ravel().tolist()
