"""CelebA-HQ with ten captions a picture, as Multi-Modal-CelebA-HQ gives them.

images/0.jpg …                        or CelebA-HQ-img/, image/
celeba-caption/0.txt …                or text/; a caption a line
train/filenames.pickle, test/…        or filenames_train.pickle, …; or train.txt, test.txt
"""

from pathlib import Path

import numpy as np

from dmgan_tf.errors import UserError
from dmgan_tf.interop.restricted_pickle import read_pickle
from dmgan_tf.preparation.captions_text import read_lines
from dmgan_tf.preparation.entry import Entry, Found, LeftOut, leaves_the_folder
from dmgan_tf.preparation.folders import first_with, unpacked

_PICTURE_FOLDERS = ("images", "image", "CelebA-HQ-img", "CelebAMask-HQ/CelebA-HQ-img", ".")
_CAPTION_FOLDERS = ("celeba-caption", "text", "text/celeba-caption", ".")
_LISTS = ("{}/filenames.pickle", "filenames_{}.pickle", "{}.txt", "{}_filenames.txt")
_SUFFIXES = (".jpg", ".png")


def find(source: Path, captions: Path | None, work: Path) -> Found:
    """Entries in the order of the lists.

    Args: source: the folder, or an archive of it. captions: folder or archive of the texts and
        perhaps the lists; None: beside the pictures.
    Raises: UserError: when pictures, texts or lists are missing, or a list is damaged.
    """
    root = unpacked(source, work / "pictures")
    pictures = first_with(root, _PICTURE_FOLDERS, "*.[jp][pn]g", "pictures such as images/0.jpg")
    told = unpacked(captions, work / "captions") if captions else root
    texts = first_with(
        told, _CAPTION_FOLDERS, "[0-9]*.txt", "captions such as celeba-caption/0.txt"
    )
    found = Found(entries=[])
    for split in ("train", "test"):
        for name in _names((root, told), split):
            entry = _entry(pictures, texts, split, name)
            (found.left_out if isinstance(entry, LeftOut) else found.entries).append(entry)
    return found


def _names(places, split):
    """The names of a split's pictures, without their suffix. Args: places: of the lists."""
    paths = [root / name.format(split) for root in places for name in _LISTS]
    path = next(filter(Path.is_file, paths), None)
    if path is None:
        names = ", ".join(path.name for path in paths[:3])
        raise UserError(f"{places[0]}: has no list of the {split} split: {names}.")
    try:
        names = read_pickle(path) if path.suffix == ".pickle" else read_lines(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read: {error}.") from error
    if not isinstance(names, list | tuple | np.ndarray) or not all(
        isinstance(name, str | int | np.integer) for name in names
    ):
        raise UserError(f"{path}: is no list of the pictures' names.")
    names = [str(name).removesuffix(".jpg").removesuffix(".png") for name in names]
    if any(map(leaves_the_folder, names)):
        raise UserError(f"{path}: refused: a name leaves the folder of pictures.")
    return names


def _entry(pictures, texts, split, name):
    candidates = [pictures / f"{name}{suffix}" for suffix in _SUFFIXES]
    path = next(filter(Path.is_file, candidates), None)
    if path is None:
        return LeftOut(name, f"there is no picture {candidates[0].name}")
    try:
        captions = tuple(read_lines(texts / f"{name}.txt"))
    except (OSError, ValueError) as error:
        return LeftOut(name, f"has no captions: {getattr(error, 'strerror', None) or error}")
    return Entry(name=name, split=split, path=path, captions=captions)
