"""Oxford Flowers-102 with the ten captions a picture of Reed et al. (2016), as text files.

jpg/image_00001.jpg …                          102flowers.tgz, or what it holds
text_c10/class_00001/image_06734.txt …         or all texts in one folder, with imagelabels.mat
trainvalclasses.txt, testclasses.txt           split by class, which all text-to-image papers use;
setid.mat                                      without them the split by picture of the data set
"""

import re
from pathlib import Path

import numpy as np

from dmgan_tf.errors import UserError
from dmgan_tf.preparation.captions_text import read_lines
from dmgan_tf.preparation.entry import Entry, Found, LeftOut
from dmgan_tf.preparation.folders import first_with, unpacked

_PICTURE_FOLDERS = ("jpg", "images", "102flowers/jpg", ".")
_CAPTION_FOLDERS = ("text_c10", "text", "cvpr2016_flowers/text_c10", "flowers/text_c10", ".")
_CLASS_LISTS = {"train": "trainvalclasses.txt", "test": "testclasses.txt"}
_SETS = {"train": ("trnid", "valid"), "test": ("tstid",)}  # of setid.mat
_MOST_BYTES = 2**24  # of a .mat file; theirs have a few kilobytes


def find(source: Path, captions: Path | None, work: Path) -> Found:
    """Entries in the order of the pictures' numbers.

    Args: source: 102flowers.tgz, or the folder of jpg/. captions: folder or archive of the texts
        and lists; None: beside the pictures.
    Raises: UserError: when pictures, texts or both kinds of lists are missing, or one is damaged.
    """
    root = unpacked(source, work / "pictures")
    pictures = first_with(
        root, _PICTURE_FOLDERS, "image_*.jpg", "pictures such as jpg/image_00001.jpg"
    )
    told = unpacked(captions, work / "captions") if captions else root
    # Beside an archive of the pictures alone there may be a folder of the texts.
    beside = [source.parent] if root != source and not captions else []
    bases = [told, *beside]
    texts = {path.stem: path for path in _texts(bases)}
    places = (*bases, *(base / name for base in bases for name in _CAPTION_FOLDERS))
    places += (root, root.parent, source.parent)
    places += tuple(place.parent for place in places[1:])
    class_of, split_of = _classes(texts, places), _splits(places)
    found = Found(entries=[])
    for path in sorted(pictures.glob("image_*.jpg")):
        name, class_id = path.stem, class_of.get(path.stem)
        split = split_of.get(class_id) or split_of.get(name)
        if name not in texts:
            found.left_out.append(LeftOut(name, f"has no captions: there is no {name}.txt"))
        elif class_id is None or split is None:
            found.left_out.append(LeftOut(name, "is of no class, or of none in the lists"))
        else:
            try:
                lines = tuple(read_lines(texts[name]))
            except (OSError, ValueError) as error:
                found.left_out.append(LeftOut(name, f"has no captions: {error}"))
                continue
            found.entries.append(
                Entry(name=name, split=split, path=path, captions=lines, class_id=class_id)
            )
    return found


def _texts(folders):
    for folder in (folder / name for folder in folders for name in _CAPTION_FOLDERS):
        for pattern in ("class_*/image_*.txt", "image_*.txt"):
            if found := sorted(folder.glob(pattern)):
                return found
    raise UserError(
        f"{folders[-1]}: holds no captions such as text_c10/class_00001/image_06734.txt. "
        "Name their folder with --captions."
    )


def _classes(texts, places):
    """{name of a picture: class from 1 on}, by the texts' folders or by imagelabels.mat."""
    numbers = {name: _number("class_", path.parent.name) for name, path in texts.items()}
    if all(numbers.values()):
        return numbers
    path = _place_of("imagelabels.mat", places)
    if path is None:
        raise UserError(
            f"{next(iter(texts.values())).parent}: has no folders class_00001 …, and there is no "
            "imagelabels.mat."
        )
    return {f"image_{i:05d}": label for i, label in enumerate(_mat(path, "labels"), start=1)}


def _splits(places):
    """{class, or name of a picture: split}."""
    lists = {split: _place_of(name, places) for split, name in _CLASS_LISTS.items()}
    if all(lists.values()):
        return {
            _class_of_line(path, line): split
            for split, path in lists.items()
            for line in read_lines(path)
        }
    path = _place_of("setid.mat", places)
    if path is None:
        raise UserError(
            f"{places[0]}: holds neither {' and '.join(_CLASS_LISTS.values())} nor setid.mat, so "
            "that the splits are not known."
        )
    return {
        f"image_{number:05d}": split
        for split, names in _SETS.items()
        for name in names
        for number in _mat(path, name)
    }


def _place_of(name, places):
    return next((place / name for place in places if (place / name).is_file()), None)


def _class_of_line(path, line):
    number = _number("class_", line)
    if number is None:
        raise UserError(f"{path}: {line[:80]!r} is no class such as class_00001.")
    return number


def _number(prefix, text):
    match = re.fullmatch(rf"{prefix}(\d{{1,5}})", text)
    return int(match[1]) if match else None


def _mat(path, name):
    """Whole numbers out of a MATLAB file."""
    from scipy.io import loadmat

    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError(f"is larger than {_MOST_BYTES:,} bytes")
        values = np.ravel(loadmat(path, variable_names=[name])[name])
        if not np.issubdtype(values.dtype, np.integer):
            raise ValueError(f"`{name}` holds no whole numbers")
        return values.tolist()
    except Exception as error:  # a damaged file may fail in any way
        reason = " ".join(str(error).split())[:100]
        raise UserError(f"{path}: cannot be read as {path.name}: {reason}.") from error
