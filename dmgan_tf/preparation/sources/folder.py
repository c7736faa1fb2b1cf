"""Anybody's pictures with captions.

Captions come from the first of these that is there:

    --captions FILE.json               {"a/b.jpg": "a red bird" or ["a red bird", …], …}
    metadata.jsonl, metadata.csv       `file_name`, `text` (or `captions`: a list); optional
                                       `class_id`, `box` ([x, y, width, height]), `split`
    NAME.txt beside NAME.jpg           a caption a line

The lists stand in the folder itself, or one in each folder of a split. Folders `train/` and `test/`
(or `validation/`, `val/`) are the splits, whichever list names their pictures; otherwise splits are
made as --split says.
"""

import contextlib
import json
import math
import os
from pathlib import Path

from dmgan_tf.errors import UserError
from dmgan_tf.preparation.captions_text import read_lines
from dmgan_tf.preparation.entry import Entry, Found, LeftOut, leaves_the_folder
from dmgan_tf.preparation.folders import is_hidden, unpacked
from dmgan_tf.preparation.lists import read_csv, read_json_lines, read_list
from dmgan_tf.preparation.splits import RULES, SPLIT_OF, with_splits

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")


def find(
    source: Path,
    captions: Path | None,
    work: Path,
    split: str | None = None,
    test_share: float = 0.1,
) -> Found:
    """Entries by name.

    Args: source: a folder, or an archive of one. captions: a JSON file. work: folder to unpack
        into. split, test_share: see `with_splits`.
    Raises: UserError: when the folder or a list can't be read.
    """
    source = unpacked(source, work / "pictures")
    if not source.is_dir():
        raise UserError(f"{source}: is neither a folder nor an archive.")
    folders = [source / name for name in SPLIT_OF if (source / name).is_dir()]
    named = {SPLIT_OF[folder.name] for folder in folders} == {"train", "test"}
    listed = not captions and not _list_of(source) and any(map(_list_of, folders))
    found = Found(entries=[])
    for folder in folders if listed else [source]:
        rows, left_out = _rows(folder, captions)
        found.left_out.extend(_below(source, folder, *item) for item in left_out)
        for name, row in sorted(rows.items()):
            shown = os.path.relpath(folder / name, source)
            entry = _entry(source, shown, row, named)
            (found.left_out if isinstance(entry, LeftOut) else found.entries).append(entry)
    known = {entry.name for entry in found.entries} | {item.name for item in found.left_out}
    names = (str(path.relative_to(source)) for path in _pictures(source))
    found.left_out.extend(LeftOut(name, "has no caption") for name in names if name not in known)
    if split and split not in RULES:
        inside = os.path.relpath(split, source)
        found.left_out[:] = [item for item in found.left_out if item.name != inside]
    return with_splits(found, split, test_share)


def _below(source, folder, name, reason):
    return LeftOut(os.path.relpath(folder / name, source), reason)


def _rows(folder, captions):
    """({file name: row}, what is left out) of a folder, from whichever list it has."""
    if captions:
        return _from_json(captions), []
    path = _list_of(folder)
    if path is None:
        return _from_texts(folder)
    rows, left_out = {}, []
    for number, row in read_csv(path) if path.suffix == ".csv" else read_json_lines(path):
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
        content = json.loads(read_list(path))
        return {str(name): {"captions": value} for name, value in content.items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise UserError(f"{path}: is no JSON of name → captions: {error}.") from error


def _from_texts(folder):
    rows, left_out, texts = {}, [], set()
    for path in _pictures(folder):
        text = path.with_suffix(".txt")
        name = str(path.relative_to(folder))
        if text in texts:
            left_out.append(LeftOut(name, f"shares {text.name} with another picture"))
            continue
        try:
            rows[name] = {"captions": read_lines(text)}
        except FileNotFoundError:
            left_out.append(LeftOut(name, f"has no caption: there is no {text.name}"))
            continue
        except (OSError, ValueError) as error:
            left_out.append(LeftOut(name, f"has no caption: {error}"))
        texts.add(text)
    for text in sorted(folder.rglob("*.txt")):
        if text not in texts and not is_hidden(text.relative_to(folder)):
            left_out.append(LeftOut(str(text.relative_to(folder)), "has no picture beside it"))
    return rows, left_out


def _pictures(folder):
    found = (p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    return sorted(path for path in found if not is_hidden(path.relative_to(folder)))


def _entry(source, name, row, named):
    """The entry of a row, or why there is none. Args: named: folders are the splits."""
    path = Path(name)
    if leaves_the_folder(name):
        return LeftOut(name, "leaves the folder")
    captions = _captions(row)
    if captions is None:
        found = ", ".join(key for key in row if key != "file_name") or "nothing"
        return LeftOut(name, f"has no caption: wanted is `captions` or `text`, found {found}")
    try:
        class_id, box = _class_id(row), _box(row.get("box"))
    except (ValueError, TypeError, OverflowError) as error:
        return LeftOut(name, f"has a class or a box that can't be read: {error}")
    split = str(row.get("split") or (path.parts[0] if named and path.parts[1:] else ""))
    if split in SPLIT_OF:
        split = SPLIT_OF[split]
    elif row.get("split"):
        return LeftOut(name, f"is of the unknown split {split!r}")
    else:
        split = ""
    return Entry(
        name=name,
        split=split,
        path=source / name,
        captions=captions,
        class_id=class_id,
        box=box,
    )


def _captions(row):
    """The captions of a row as a tuple, or None."""
    names = [name for name in ("captions", "text") if row.get(name) is not None]
    if not names:
        return None
    found = row[names[0]]
    if isinstance(found, str) and names[0] == "captions" and found.startswith("["):
        with contextlib.suppress(ValueError, RecursionError):  # a list within CSV
            found = json.loads(found)
    found = [found] if isinstance(found, str) else found
    if not isinstance(found, list) or not all(isinstance(c, str) for c in found):
        return None
    return tuple(found)


def _class_id(row):
    value = row.get("class_id")
    if value is None:
        return None
    number = float(value)  # pandas writes "3.0"
    if not number.is_integer():
        raise ValueError(f"class_id {value}")
    return int(number)


def _box(value):
    if value is None:
        return None
    numbers = tuple(float(v) for v in (json.loads(value) if isinstance(value, str) else value))
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)):
        raise ValueError(f"box {value}")
    return numbers
