"""Anybody's pictures with captions.

Captions come from the first of these that is there:

    --captions FILE.json               {"a/b.jpg": "a red bird" or ["a red bird", …], …}
    metadata.jsonl, metadata.csv       `file_name`, `text` (or `captions`: a list); optional
                                       `class_id`, `box` ([x, y, width, height]), `split`
    NAME.txt beside NAME.jpg           a caption a line

`train/` and `test/` below the folder, each with its own list, are the splits; otherwise they are
made as --split says.
"""

import csv
import dataclasses
import hashlib
import json
import math
from collections.abc import Iterator
from pathlib import Path

from dmgan_tf.errors import UserError
from dmgan_tf.preparation.captions_text import read_lines
from dmgan_tf.preparation.entry import Entry, Found, LeftOut

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
_SPLITS = ("train", "test")


def find(
    source: Path,
    captions: Path | None,
    work: Path,
    split: str = "fraction",
    test_share: float = 0.1,
) -> Found:
    """Entries by name.

    Args: split: `fraction` (by a hash of the name: more pictures later move none), `class` (whole
        classes are unseen), or the path of a text file of the test pictures' names.
        test_share: of the pictures or classes.
    Raises: UserError: when the folder or a list can't be read.
    """
    if not source.is_dir():
        raise UserError(f"{source}: there is no such folder.")
    folders = [source / name for name in _SPLITS if (source / name).is_dir()]
    given = len(folders) == 2 and not captions
    found = Found(entries=[])
    for folder in folders if given else [source]:
        rows, left_out = _rows(folder, source, captions)
        found.left_out.extend(left_out)
        for name, row in sorted(rows.items()):
            file = folder / name
            if not file.resolve().is_relative_to(source.resolve()):
                found.left_out.append(LeftOut(name, "leaves the folder"))
                continue
            shown = str(file.relative_to(source))
            entry = _entry(shown, file, row, folder.name if given else "")
            if isinstance(entry, LeftOut):
                found.left_out.append(entry)
            else:
                found.entries.append(entry)
        listed = {(folder / name).resolve() for name in rows}
        if captions or _list_of(folder):
            found.left_out.extend(
                LeftOut(str(path.relative_to(source)), "has no caption")
                for path in _pictures(folder)
                if path.resolve() not in listed
            )
    chosen = _Split(split, test_share, found.entries)
    entries = [
        entry if entry.split else _with_split(entry, chosen(entry)) for entry in found.entries
    ]
    return Found(entries=entries, left_out=found.left_out)


def _rows(folder, source, captions):
    """({file name: row}, what is left out) of a folder, from whichever list it has."""
    if captions:
        return _from_json(captions), []
    path = _list_of(folder)
    if path is None:
        return _from_texts(folder)
    rows, left_out = {}, []
    for number, row in _csv(path) if path.suffix == ".csv" else _json_lines(path):
        name = row.get("file_name")
        if not isinstance(name, str) or not name:
            raise UserError(f"{path}, line {number}: has no `file_name`.")
        if name in rows:
            left_out.append(LeftOut(name, f"stands twice in {path.name}: line {number}"))
            continue
        rows[name] = row
    return rows, left_out


def _list_of(folder):
    paths = [folder / "metadata.jsonl", folder / "metadata.csv"]
    return next((path for path in paths if path.is_file()), None)


def _from_json(path):
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        return {str(name): {"captions": value} for name, value in content.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"{path}: is no JSON of name → captions: {error}.") from error


def _json_lines(path) -> Iterator[tuple[int, dict]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as UTF-8: {error}.") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UserError(f"{path}, line {number}: is no JSON: {error}.") from error
        if not isinstance(row, dict):
            raise UserError(f"{path}, line {number}: must be an object: {line[:80]!r}.")
        yield number, row


def _csv(path) -> Iterator[tuple[int, dict]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for number, row in enumerate(csv.DictReader(file), start=2):
                yield number, {key: value for key, value in row.items() if key and value}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as CSV: {error}.") from error


def _from_texts(folder):
    rows, left_out, texts = {}, [], set()
    for path in _pictures(folder):
        text = path.with_suffix(".txt")
        name = str(path.relative_to(folder))
        if not text.is_file():
            left_out.append(LeftOut(name, f"has no caption: there is no {text.name}"))
        elif text in texts:
            left_out.append(LeftOut(name, f"shares {text.name} with another picture"))
        else:
            texts.add(text)
            rows[name] = {"captions": read_lines(text)}
    for text in sorted(folder.rglob("*.txt")):
        if text not in texts:
            left_out.append(LeftOut(str(text.relative_to(folder)), "has no picture beside it"))
    return rows, left_out


def _pictures(folder):
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())


def _entry(name, file, row, split):
    captions = row.get("captions", row.get("text", row.get("caption")))
    captions = [captions] if isinstance(captions, str) else captions
    if not isinstance(captions, list) or not all(isinstance(c, str) for c in captions):
        return LeftOut(name, "has no caption")
    try:
        class_id, box = _class_id(row), _box(row.get("box") or row.get("bbox"))
    except (ValueError, TypeError, OverflowError) as error:
        return LeftOut(name, f"has a class or a box that can't be read: {error}")
    split = str(row.get("split") or split)
    split = {"validation": "test", "val": "test"}.get(split, split)
    if split not in ("", *_SPLITS):
        return LeftOut(name, f"is of the unknown split {split!r}")
    return Entry(
        name=name, split=split, path=file, captions=tuple(captions), class_id=class_id, box=box
    )


def _class_id(row):
    value = row.get("class_id")
    if value is None:
        return None
    class_id = int(value)
    if not 0 <= class_id < 2**31:
        raise ValueError(f"class_id {class_id}")
    return class_id


def _box(value):
    if value is None:
        return None
    numbers = tuple(float(v) for v in (json.loads(value) if isinstance(value, str) else value))
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)):
        raise ValueError(f"box {value}")
    return numbers


class _Split:
    """Which split an entry belongs to."""

    def __init__(self, split, test_share, entries):
        self._test_share = test_share
        self._by_class = split == "class"
        self._test_names = None
        if split in ("fraction", "class"):
            if self._by_class and any(entry.class_id is None for entry in entries):
                raise UserError("--split class: a picture has no class_id. Use --split fraction.")
            return
        try:
            self._test_names = set(read_lines(Path(split)))
        except OSError as error:
            raise UserError(f"--split {split}: cannot be read: {error.strerror}.") from error
        unknown = self._test_names - {entry.name for entry in entries}
        if unknown:
            raise UserError(f"--split {split}: names {sorted(unknown)[0]!r}, which is no picture.")

    def __call__(self, entry):
        if self._test_names is not None:
            return "test" if entry.name in self._test_names else "train"
        key = str(entry.class_id) if self._by_class else entry.name
        share = int(hashlib.sha256(key.encode()).hexdigest()[:8], 16) / 2**32
        return "test" if share < self._test_share else "train"


def _with_split(entry, split):
    return dataclasses.replace(entry, split=split)
