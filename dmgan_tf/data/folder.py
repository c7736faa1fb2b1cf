"""Anybody's pictures: a folder with `train/` and `test/`, each with pictures and a metadata.jsonl.

A line of `metadata.jsonl` is an object such as
`{"file_name": "a/b.jpg", "captions": ["a red bird"], "class_id": 3, "box": [x, y, width, height]}`;
class and box may be missing. With a box the crop is CUB's: a square around its middle, half side
0.75 · max(width, height), cut at the picture's edges.
"""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from dmgan_tf.data.picture_set import PictureSet
from dmgan_tf.errors import UserError

_HELP = (
    "A data folder holds train/metadata.jsonl and test/metadata.jsonl, a line per picture: "
    '{"file_name": …, "captions": […], "class_id": …, "box": [x, y, width, height]}.'
)


def load_folder(directory: str, split: str, homepage: str | None = None) -> PictureSet:
    """Reads the split's list; the pictures themselves stay on disk.

    Args: directory: the data's folder. split: `train` or `test`. homepage: where to get the data,
        for the message when they are missing.
    Raises: UserError: when the list is missing, or a line of it is wrong (named by number).
    """
    path = Path(directory) / split / "metadata.jsonl"
    if not path.is_file():
        source = f" Get the data from {homepage}." if homepage else ""
        raise UserError(f"{path}: there is no such file.{source} {_HELP}")
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # JSON may hold other line ends
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8: {error}.") from error
    rows = [_row(path, number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not rows:
        raise UserError(f"{path}: the list is empty. {_HELP}")
    paths, captions, class_ids, crops = zip(*rows, strict=True)
    return PictureSet(
        captions=captions,
        class_ids=np.array([-1 - i if c is None else c for i, c in enumerate(class_ids)], np.int32),
        paths=paths,
        crops=np.array(crops, np.int32),
    )


def _row(path, number, line):
    where = f"{path}, line {number}"
    try:
        row = json.loads(line)
        file = path.parent / row["file_name"]
        if not isinstance(row["captions"], list):
            raise TypeError("`captions` must be a list")
        captions = tuple(str(caption) for caption in row["captions"])
        class_id = None if row.get("class_id") is None else int(np.int32(int(row["class_id"])))
        box = [float(v) for v in row["box"]] if row.get("box") else None
        if box and len(box) != 4:
            raise ValueError("`box` must be four numbers")
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{where}: {error!r}. {_HELP}") from error
    if not captions:
        raise UserError(f"{where}: {row['file_name']} has no caption.")
    if not file.is_file():
        raise UserError(f"{where}: there is no picture {file}.")
    return str(file), captions, class_id, _crop(file, box, where) if box else (0, 0, 0, 0)


def _crop(file, box, where):
    """CUB's square around the box, in pixels, cut at the edges of the picture."""
    x, y, width, height = box
    try:
        with Image.open(file) as image:
            full_width, full_height = image.size
    except OSError as error:
        raise UserError(f"{where}: {file} is no picture that can be read.") from error
    half = 0.75 * max(width, height)
    left, right = max(0, int(x + width / 2 - half)), min(full_width, int(x + width / 2 + half))
    top, bottom = max(0, int(y + height / 2 - half)), min(full_height, int(y + height / 2 + half))
    if right <= left or bottom <= top:
        raise UserError(f"{where}: the box {box} lies outside {file} or has no area.")
    return left, top, right - left, bottom - top
