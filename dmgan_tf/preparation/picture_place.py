"""Where a picture's bytes stand: in a file of its own, a span of a tar, a cell of a parquet."""

from pathlib import Path
from typing import NamedTuple

from dmgan_tf.preparation.parquet_file import read_cell

MOST_BYTES = 64 * 2**20  # of a picture's file
_GROWING = ("webp", "gif", "bmp", "tif", "tiff")


def grows(name: str) -> bool:
    """Whether a picture of this name, or kind, is one that is made a PNG, which takes more."""
    return name.lower().rpartition(".")[-1] in _GROWING


class Span(NamedTuple):
    """`size` bytes from `offset` on, as a tar or a TFRecord file holds a picture.

    `grows`: see the function of that name.
    """

    offset: int
    size: int
    grows: bool = False


class Cell(NamedTuple):
    """A value of a parquet file. `row` counts within its row group; `size`: bytes, about.

    `grows`: see the function of that name.
    """

    row_group: int
    row: int
    column: str
    size: int
    grows: bool = False


def read_bytes(path: Path, within: Span | Cell | None) -> bytes:
    """The bytes of a picture's file. Args: within: where in `path` they stand; None: all of it.

    Raises: OSError. ValueError: with the reason why they can't be had.
    """
    if isinstance(within, Cell):
        content = read_cell(path, within.row_group, within.row, within.column)
        if len(content) > MOST_BYTES:
            raise ValueError(f"is larger than {MOST_BYTES // 2**20} MiB")
        return content
    offset, size = within[:2] if within else (0, path.stat().st_size)
    if size > MOST_BYTES:
        raise ValueError(f"is larger than {MOST_BYTES // 2**20} MiB")
    with path.open("rb") as file:
        file.seek(offset)
        content = file.read(size)
    if len(content) < size:
        raise ValueError(f"is cut short: {path.name} ends within it")
    return content
