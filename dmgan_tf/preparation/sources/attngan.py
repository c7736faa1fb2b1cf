"""The folder that users of AttnGAN and DM-GAN have; its vocabulary is kept id for id.

train/filenames.pickle, test/filenames.pickle, optional class_info.pickle beside them
captions.pickle                    [training captions, test captions, word of id, id of word]
text/NAME.txt                      captions, a line each; without it those of captions.pickle
CUB_200_2011/ or images/           the pictures; CUB's boxes where they are
"""

import dataclasses
from pathlib import Path

from dmgan_tf.errors import UserError
from dmgan_tf.interop.captions_pickle import read_captions, read_vocabulary
from dmgan_tf.interop.restricted_pickle import read_pickle
from dmgan_tf.preparation.captions_text import read_lines
from dmgan_tf.preparation.entry import Entry, Found, LeftOut, leaves_the_folder
from dmgan_tf.preparation.sources import cub

_PICTURES = ("CUB_200_2011/images", "images")
_SUFFIXES = (".jpg", ".jpeg", ".png")


def find(source: Path, captions: Path | None, work: Path) -> Found:
    """Entries in the order of the pickles, which is that of the authors' training.

    Args: captions: another captions.pickle than the folder's own.
    Raises: UserError: when a file is missing or damaged, or the lists contradict each other.
    """
    pickle = captions or source / "captions.pickle"
    vocabulary = read_vocabulary(pickle)
    pictures = next((source / name for name in _PICTURES if (source / name).is_dir()), None)
    if pictures is None:
        raise UserError(f"{source}: holds the pictures neither in {' nor in '.join(_PICTURES)}.")
    boxes = _boxes(source)
    found = Found(entries=[], words=vocabulary.words)
    for split, encoded in zip(("train", "test"), read_captions(pickle), strict=True):
        names, class_ids = _lists(source / split)
        each, rest = divmod(len(encoded), len(names))
        if rest or not each:
            raise UserError(
                f"{pickle}: holds {len(encoded)} captions of the {split} split, no multiple of the "
                f"{len(names)} names in {source / split / 'filenames.pickle'}."
            )
        for i, name in enumerate(names):
            entry = _entry(source, pictures, split, name, class_ids[i], boxes)
            if isinstance(entry, LeftOut):
                found.left_out.append(entry)
                continue
            if not entry.captions:
                rows = encoded[i * each : (i + 1) * each]
                texts = tuple(" ".join(vocabulary.words[w] for w in row) for row in rows)
                entry = dataclasses.replace(entry, captions=texts)
            found.entries.append(entry)
    return found


def _lists(folder):
    path = folder / "filenames.pickle"
    names = read_pickle(path)
    if not (isinstance(names, list | tuple) and names and all(isinstance(n, str) for n in names)):
        raise UserError(f"{path}: is no list of the pictures' names.")
    if any(map(leaves_the_folder, names)):
        raise UserError(f"{path}: refused: a name leaves the folder of pictures.")
    path = folder / "class_info.pickle"
    if not path.is_file():
        return names, [None] * len(names)
    class_ids = read_pickle(path)
    if len(class_ids) != len(names):
        raise UserError(f"{path}: holds {len(class_ids)} classes of {len(names)} pictures.")
    return names, [int(class_id) for class_id in class_ids]


def _boxes(source):
    """Box by the picture's name, where CUB's lists are."""
    try:
        root = cub.lists_folder(source)
    except UserError:
        return {}
    by_number = cub.read_boxes(root)
    files = dict(cub.read_list(root / "images.txt"))
    return {files[n].removesuffix(".jpg"): box for n, box in by_number.items() if n in files}


def _entry(source, pictures, split, name, class_id, boxes):
    candidates = [pictures / f"{name}{suffix}" for suffix in _SUFFIXES]
    path = next((path for path in candidates if path.is_file()), None)
    if path is None:
        return LeftOut(name, f"there is no picture {candidates[0].relative_to(source)}")
    text = source / "text" / f"{name}.txt"
    try:
        captions = tuple(read_lines(text)) if text.is_file() else ()
    except ValueError as error:
        return LeftOut(name, str(error))
    return Entry(
        name=name,
        split=split,
        path=path,
        captions=captions,
        class_id=class_id,
        box=boxes.get(name),
    )
