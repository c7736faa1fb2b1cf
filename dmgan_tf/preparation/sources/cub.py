"""CUB-200-2011: the official tarball or its folder, and ten captions a picture as text files."""

import math
from pathlib import Path

from dmgan_tf.errors import UserError
from dmgan_tf.preparation.archives import is_archive, unpack
from dmgan_tf.preparation.captions_text import read_lines
from dmgan_tf.preparation.entry import Entry, Found, LeftOut, leaves_the_folder

# Split by class of Reed et al. (2016), which all text-to-image papers use: 50 of 200 are unseen.
# fmt: off
TEST_CLASSES = frozenset([
    1, 4, 6, 8, 9, 14, 23, 29, 31, 33, 34, 35, 36, 37, 38, 43, 49, 51, 53, 66, 72, 79, 83, 84, 86,
    91, 95, 96, 98, 101, 102, 103, 112, 114, 119, 121, 130, 135, 138, 147, 156, 163, 165, 166, 180,
    183, 185, 186, 187, 197,
])
# fmt: on
_LISTS = ("images.txt", "bounding_boxes.txt")
_CAPTION_FOLDERS = ("text_c10", "text", "birds/text_c10", "birds/text", "CUB_200_2011/text_c10")


def find(source: Path, captions: Path | None, work: Path) -> Found:
    """Entries in the order of `images.txt`.

    Args: source: CUB_200_2011.tgz, the folder CUB_200_2011, or one that holds it. captions: the
        folder or tarball of the captions; None: text_c10/ or text/ beside the pictures. work:
        folder to unpack into.
    Raises: UserError: when a list or the captions are missing.
    """
    unpacked = unpack(source, work / "pictures") if is_archive(source) else source
    root = lists_folder(unpacked)
    texts = _captions_folder(captions, work, (root, unpacked, source.parent))
    boxes = read_boxes(root)
    entries, left_out = [], []
    for number, file in read_list(root / "images.txt"):
        name = file.removesuffix(".jpg")
        class_id = _class_id(file)
        if class_id is None or leaves_the_folder(file):
            raise UserError(
                f"{root / 'images.txt'}: {file[:80]!r} names no class, as 001.Name/… does."
            )
        if number not in boxes:
            left_out.append(LeftOut(name, "has no line in bounding_boxes.txt"))
            continue
        try:
            found = tuple(read_lines(texts / f"{name}.txt"))
        except OSError as error:
            left_out.append(LeftOut(name, f"has no captions: {name}.txt: {error.strerror}"))
            continue
        except ValueError as error:
            left_out.append(LeftOut(name, f"has no captions: {error}"))
            continue
        entries.append(
            Entry(
                name=name,
                split="test" if class_id in TEST_CLASSES else "train",
                path=root / "images" / file,
                captions=found,
                class_id=class_id,
                box=boxes[number],
            )
        )
    return Found(entries=entries, left_out=left_out)


def _class_id(file):
    """1 to 200, or None."""
    number = file.split(".", 1)[0]
    good = number.isdecimal() and len(number) <= 3 and 1 <= int(number) <= 200
    return int(number) if good else None


def lists_folder(folder: Path) -> Path:
    """The folder of images.txt and bounding_boxes.txt: the one given, or CUB_200_2011 in it.

    Raises: UserError: when neither holds them.
    """
    for root in (folder, folder / "CUB_200_2011"):
        if all((root / name).is_file() for name in _LISTS):
            return root
    raise UserError(
        f"{folder}: is no CUB-200-2011: {' and '.join(_LISTS)} are neither there nor in its "
        "CUB_200_2011/."
    )


def read_list(path: Path) -> list[tuple[str, str]]:
    """(number, rest) of each line of one of CUB's lists."""
    try:
        lines = read_lines(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read: {error}.") from error
    rows = []
    for place, line in enumerate(lines, start=1):
        number, _, rest = line.partition(" ")
        if not rest:
            raise UserError(f"{path}, line {place}: must be a number and a value: {line[:80]!r}.")
        rows.append((number, rest.strip()))
    return rows


def read_boxes(root: Path) -> dict[str, tuple[float, float, float, float]]:
    """Box by the picture's number."""
    path = root / "bounding_boxes.txt"
    boxes = {}
    for number, rest in read_list(path):
        try:
            x, y, width, height = map(float, rest.split())
            if not math.isfinite(x + y + width + height):
                raise ValueError("it is not finite")
        except ValueError as error:
            raise UserError(f"{path}: picture {number}: {rest[:80]!r} is no box.") from error
        boxes[number] = (x, y, width, height)
    return boxes


def _captions_folder(captions, work, places):
    if captions:
        folder = unpack(captions, work / "captions") if is_archive(captions) else captions
        candidates = [folder, *(folder / name for name in _CAPTION_FOLDERS)]
    else:
        candidates = [place / name for place in places for name in _CAPTION_FOLDERS]
    for candidate in candidates:
        if candidate.is_dir() and any(candidate.glob("[0-9][0-9][0-9].*")):
            return candidate
    raise UserError(
        f"{captions or places[0]}: holds no captions: a folder such as text_c10/ with "
        "001.Black_footed_Albatross/*.txt, ten lines each. Name it with --captions."
    )
