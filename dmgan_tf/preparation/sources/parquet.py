"""Parquet files of samples, a row each; what the picture's column holds says where it stands.

bytes                 `jpg` of img2dataset
{bytes, path}         `image` of Hugging Face's image datasets
text                  the name of a file, below the folder of the parquet file
no such column        img2dataset's files: NNNNN/KEY.jpg beside NNNNN.parquet with `key`
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dmgan_tf.preparation.entry import LeftOut, leaves_the_folder
from dmgan_tf.preparation.parquet_file import kind_of, no_bytes, open_parquet, rows
from dmgan_tf.preparation.picture_place import Cell, grows
from dmgan_tf.preparation.sources.samples import Sample, Wanted

SUFFIX = ".parquet"
_SUFFIXES = (".jpg", ".png", ".webp")
_DONE = "success"  # in img2dataset's column `status`


class _Picture(NamedTuple):
    """Where pictures stand: a column of bytes, one of files' names, or both, of which one is used.

    Both are "" where files are named by `key`.
    """

    bytes_column: str
    name_column: str


def read(path: Path, wanted: Wanted) -> Iterator[Sample | LeftOut]:
    """The samples of a file; pictures are not read.

    Raises: ValueError: when the file is none, is cut, or lacks a column. UserError: when pyarrow is
        missing.
    """
    file = open_parquet(path)
    kinds = {name: kind_of(file, name) for name in file.schema_arrow.names}
    picture = _picture(path, kinds, wanted)
    captions = _caption_columns(kinds, wanted)
    others = ("key", "status", wanted.similarity_key, wanted.language_key)
    columns = [*captions, *(name for name in others if name in kinds)]
    columns += [picture.name_column] if picture.name_column else []
    number = 0
    for group in range(file.num_row_groups):
        empty = not picture.bytes_column or no_bytes(file, group, picture.bytes_column)
        size = file.metadata.row_group(group).total_byte_size // max(
            1, file.metadata.row_group(group).num_rows
        )
        for row, values in enumerate(rows(file, path, group, columns)):
            key = values.get("key") if isinstance(values, dict) else None
            name = key if isinstance(key, str) and key else f"{number:09d}"
            number += 1
            if isinstance(values, str):
                yield LeftOut(name, values)
                continue
            if values.get("status", _DONE) not in (_DONE, None):
                yield LeftOut(name, f"has no picture: {str(values['status'])[:80]}")
            elif not empty:
                kind = _file_name(values, picture.name_column) or picture.bytes_column
                cell = Cell(group, row, picture.bytes_column, size, grows(kind))
                yield Sample(name, path, cell, values)
            else:
                yield _of_file(path, name, values, picture)


def _picture(path, kinds, wanted):
    for name in wanted.image_keys:
        kind = kinds.get(name)
        if kind == "bytes":
            return _Picture(name, "")
        if kind == "text":
            return _Picture("", name)
        if kind == "picture":
            return _Picture(f"{name}.bytes", f"{name}.path")
        if kind and wanted.image_key:
            raise ValueError(
                f"its column `{name}` is {kind}, neither bytes nor {{bytes, path}} nor text"
            )
    if kinds.get("key") == "text" and not wanted.image_key and path.with_suffix("").is_dir():
        return _Picture("", "")
    raise ValueError(
        f"has no column of pictures `{'`, `'.join(wanted.image_keys)}`, only `{'`, `'.join(kinds)}`"
    )


def _caption_columns(kinds, wanted):
    for name in wanted.caption_keys:
        if kinds.get(name) in ("text", "texts"):
            return [name]
        if name in kinds and wanted.caption_key:
            raise ValueError(f"its column `{name}` is {kinds[name]}, not text")
    raise ValueError(
        f"has no column of captions `{'`, `'.join(wanted.caption_keys)}`, only "
        f"`{'`, `'.join(kinds)}`"
    )


def _file_name(values, column):
    """The name of a file at `file_name` or `image.path`, or ""."""
    column, _, field = column.partition(".")
    file = values.get(column)
    file = file.get(field) if isinstance(file, dict) else file
    return file if isinstance(file, str) else ""


def _of_file(path, name, values, picture):
    """The sample of a row that names a file."""
    if not picture.name_column:
        candidates = [path.with_suffix("") / f"{name}{suffix}" for suffix in _SUFFIXES]
        return Sample(name, next(filter(os.path.isfile, candidates), candidates[0]), None, values)
    file = _file_name(values, picture.name_column)
    if not file:
        return LeftOut(name, f"names no file in `{picture.name_column}`")
    if "://" in file:
        return LeftOut(name, f"names an address, not a file, in `{picture.name_column}`")
    if leaves_the_folder(file):
        return LeftOut(name, f"names a file that leaves the folder: {file[:80]!r}")
    return Sample(name, path.parent / file, None, values)
