"""The index of a prepared folder as arrays, one split at a time.

A large index is read once, by `prepare-data`: its arrays stay beside it, in `index.columns/`, and
are mapped into memory from then on. They are made again when the index has changed (a copy without
its times counts as changed), and may be removed at any time.
"""

import contextlib
import json
import logging
import shutil
import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dmgan_tf.data.square_crop import square_crop
from dmgan_tf.data.stored_texts import CaptionRows, TextCollector, Texts

_LARGE_BYTES = 64 * 2**20  # a quarter of a million pictures
_FOLDER, _DESCRIPTION = "index.columns", "columns.json"
_LOGGER = logging.getLogger(__name__)
_SPLITS = ("train", "test")
_TEXTS = {
    "name_bytes": np.uint8,
    "name_ends": np.int64,
    "caption_bytes": np.uint8,
    "caption_ends": np.int64,
}
_OF_PICTURES = {
    "class_ids": np.int32,
    "file_of": np.int32,
    "offsets": np.int64,
    "sizes": np.int64,
    "crops": np.int32,
}
_NUMBERS = {"firsts": np.int64, **_OF_PICTURES}


class Row(NamedTuple):
    """A line of the index; `offset` and `size` are bytes within the shard."""

    name: str
    split: str
    class_id: int | None
    box: list[float] | None
    captions: list[str]
    width: int
    height: int
    shard: str
    offset: int
    size: int


class Columns(NamedTuple):
    """The rows of a split. Arrays are as in `Records`; `shards`: names of its files.

    `stored`: where arrays that are made of these may be kept, a path to begin their names with; or
    None.
    """

    names: Texts
    captions: CaptionRows
    class_ids: np.ndarray
    file_of: np.ndarray
    offsets: np.ndarray
    sizes: np.ndarray
    crops: np.ndarray
    shards: list[str]
    stored: Path | None


def read_columns(index: Path) -> dict[str, Columns]:
    """The columns of each split.

    Raises: OSError, ValueError, TypeError, AttributeError, OverflowError: when the index can't be
        read.
    """
    folder = index.with_name(_FOLDER)
    status = index.stat()
    stamp = [status.st_size, status.st_mtime_ns]
    if found := _kept(folder, stamp):
        return found
    large = status.st_size > _LARGE_BYTES
    if large:
        _LOGGER.info("%s: is read into arrays, which takes minutes once.", index)
    arrays = {split: collector.arrays() for split, collector in _collect(index).items()}
    if large:
        with contextlib.suppress(OSError):  # a folder that can't be written to, or a full disk
            _save(folder, stamp, arrays)
            return _load(folder, stamp)
    return {split: _columns(found, shards, None) for split, (found, shards) in arrays.items()}


def _rows(index) -> Iterator[Row]:
    # Not splitlines: a caption may hold other line ends.
    with index.open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            if line.strip("\n"):
                yield Row(**json.loads(line))


def _collect(index):
    collectors: dict[str, _Collector] = {}
    for row in _rows(index):
        if row.split not in _SPLITS:  # it becomes a part of files' names
            raise ValueError(f"{row.split!r} is no split")
        if row.split not in collectors:
            collectors[row.split] = _Collector()
        collectors[row.split].add(row)
    return collectors


class _Collector:
    """Makes the arrays of a split, row by row."""

    def __init__(self):
        self._names, self._captions = TextCollector(), TextCollector()
        self._numbers = {name: array("q") for name in _NUMBERS}
        self._numbers["firsts"].append(0)
        self._shards: dict[str, int] = {}

    def add(self, row: Row) -> None:
        numbers = self._numbers
        class_id = -1 - len(self._names) if row.class_id is None else row.class_id
        self._names.extend([row.name])
        self._captions.extend(row.captions)
        numbers["firsts"].append(len(self._captions))
        numbers["class_ids"].append(class_id)
        numbers["file_of"].append(self._shards.setdefault(row.shard, len(self._shards)))
        numbers["offsets"].append(row.offset)
        numbers["sizes"].append(row.size)
        crop = square_crop(row.box, row.width, row.height) if row.box else (0, 0, 0, 0)
        numbers["crops"].extend(crop)

    def arrays(self) -> tuple[dict[str, np.ndarray], list[str]]:
        names, captions = self._names.texts(), self._captions.texts()
        found = {name: np.frombuffer(n, np.int64) for name, n in self._numbers.items()}
        found["crops"] = found["crops"].reshape(-1, 4)
        found |= {"name_bytes": names.content, "name_ends": names.ends}
        found |= {"caption_bytes": captions.content, "caption_ends": captions.ends}
        return {n: _narrowed(found[n], kind) for n, kind in (_TEXTS | _NUMBERS).items()}, list(
            self._shards
        )


def _narrowed(values, kind):
    narrow = values.astype(kind, copy=False)
    if not np.array_equal(narrow, values):
        raise OverflowError("a class or a box is out of range")
    return narrow


def _columns(arrays, shards, stored):
    texts = Texts(arrays["caption_bytes"], arrays["caption_ends"])
    return Columns(
        names=Texts(arrays["name_bytes"], arrays["name_ends"]),
        captions=CaptionRows(texts, arrays["firsts"]),
        **{name: arrays[name] for name in _OF_PICTURES},
        shards=shards,
        stored=stored,
    )


def _kept(folder, stamp):
    """What an earlier reading has left, or None where it is not whole or of another index."""
    with contextlib.suppress(OSError, EOFError, ValueError, LookupError, TypeError):
        return _load(folder, stamp)
    return None


def _load(folder, stamp):
    description = json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8"))
    if description["index"] != stamp:
        raise ValueError("the index has changed")
    found = {}
    for split in set(description["shards"]).intersection(_SPLITS):
        shards = description["shards"][split]
        paths = {name: folder / f"{split}.{name}.npy" for name in _TEXTS | _NUMBERS}
        arrays = {name: np.load(path, mmap_mode="r") for name, path in paths.items()}
        lengths = {len(arrays[name]) for name in _OF_PICTURES}
        if lengths != {len(arrays["firsts"]) - 1} or arrays["file_of"].max() >= len(shards):
            raise ValueError("the arrays don't fit each other")
        found[split] = _columns(arrays, shards, folder / split)
    return found


def _save(folder, stamp, arrays):
    # A name of its own: workers on several machines, which may have one number, read at once.
    writing = Path(tempfile.mkdtemp(".partial", f"{folder.name}.", folder.parent))
    try:
        writing.chmod(0o755)
        for split, (columns, _) in arrays.items():
            for name, column in columns.items():
                np.save(writing / f"{split}.{name}.npy", column)
        shards = {split: names for split, (_, names) in arrays.items()}
        text = json.dumps({"index": stamp, "shards": shards})
        (writing / _DESCRIPTION).write_text(text, encoding="utf-8")
        if not _kept(folder, stamp):  # else another worker was first, and has it mapped already
            shutil.rmtree(folder, ignore_errors=True)
            writing.rename(folder)
    finally:
        shutil.rmtree(writing, ignore_errors=True)
