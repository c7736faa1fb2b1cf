"""Grids of pictures for a paper: captions above the columns, labels up the left side."""

import functools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dmgan_tf.inference.image_grid import enlarge, image_grid

_SHOWN_SIDE = 192  # pixels at least, so that a caption fits above
_GAP = 8
_MARGIN = 12
_FONT_SIZE = 14
_LINE_HEIGHT = 19
_MOST_LINES = 12


def labelled_grid(
    rows: Sequence[np.ndarray],
    row_labels: Sequence[str],
    column_labels: Sequence[str] = (),
    title: str = "",
) -> np.ndarray:
    """One picture of all rows, their pictures enlarged to one side by whole numbers.

    Args: rows: uint8 [columns, side, side, 3] each; sides may differ. row_labels: one each.
        column_labels: one per column, or none. title: a line above all, wrapped where it must be.
    Returns: uint8 [height, width, 3].
    """
    side = shown_side([row.shape[1] for row in rows])
    grid = image_grid([enlarge(row, side) for row in rows], _GAP)
    heading = _wrap(title, grid.shape[1])
    columns = [_wrap(label, side - _GAP) for label in column_labels]
    left = _MARGIN + _LINE_HEIGHT + _GAP
    lines = len(heading) + max(map(len, columns), default=0)
    bottom_of_labels = _MARGIN + _LINE_HEIGHT * lines + _GAP * bool(heading and columns)
    top = bottom_of_labels + _GAP * bool(lines)
    size = left + grid.shape[1] + _MARGIN, top + grid.shape[0] + _MARGIN
    page = Image.new("RGB", size, "white")
    page.paste(Image.fromarray(grid), (left, top))
    draw = ImageDraw.Draw(page)
    for i, line in enumerate(heading):
        _write(draw, (left, _MARGIN + i * _LINE_HEIGHT), line)
    for x, lines in enumerate(columns):
        first = bottom_of_labels - len(lines) * _LINE_HEIGHT  # the last line stands on the picture
        for i, line in enumerate(lines):
            _write(draw, (left + x * (side + _GAP), first + i * _LINE_HEIGHT), line)
    for y, label in enumerate(row_labels):
        page.paste(_upright(label, side), (_MARGIN, top + y * (side + _GAP)))
    return np.asarray(page)


def shown_side(sides: Sequence[int]) -> int:
    """The least side, 192 pixels or more, to which all of these are enlarged by whole numbers."""
    common = math.lcm(*sides)
    return common * max(1, -(-_SHOWN_SIDE // common))


@functools.cache
def _font():
    import matplotlib  # half a second, for a font: Pillow's own knows ASCII alone

    return ImageFont.truetype(
        Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", _FONT_SIZE
    )


def _write(draw, place, text):
    draw.text(place, text, fill="black", font=_font())


def _upright(label, length):
    """The label as a strip to be read from below, in the middle of `length` pixels."""
    strip = Image.new("RGB", (length, _LINE_HEIGHT), "white")
    middle = length / 2, _LINE_HEIGHT / 2
    text = _shortened(label, length)
    ImageDraw.Draw(strip).text(middle, text, fill="black", font=_font(), anchor="mm")
    return strip.transpose(Image.Transpose.ROTATE_90)


def _wrap(text, width):
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if _font().getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(_shortened(word, width))
    lines = [line for line in lines if line]
    return lines if len(lines) <= _MOST_LINES else [*lines[: _MOST_LINES - 1], "…"]


def _shortened(text, width):
    """The end of a text that is too long: of a folder's path the part that tells most."""
    if _font().getlength(text) <= width:
        return text
    while text and _font().getlength(f"…{text}") > width:
        text = text[1:]
    return f"…{text}"
