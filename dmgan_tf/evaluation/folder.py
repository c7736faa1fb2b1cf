"""Pictures that any other program has made."""

import os
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from dmgan_tf.errors import UserError
from dmgan_tf.evaluation.pictures import METADATA, digest
from dmgan_tf.preparation.entry import leaves_the_folder
from dmgan_tf.preparation.lists import read_json_lines

_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


class Folder:
    """Square pictures of one size in a folder, in the order of their names.

    With a `metadata.jsonl` of `file_name` and `text` (and optional `class_id`), as `--keep-images`
    writes it, only those that it lists, in its order.

    Attributes: captions: of each, or None. class_ids: int [N], or None.
    Raises: UserError: when there are none, or one isn't square, of another size, or damaged.
    """

    def __init__(self, folder: Path, count: int | None = None):
        if not folder.is_dir():
            raise UserError(f"--images-dir {folder}: there is no such folder.")
        self.captions: list[str] | None = None
        self.class_ids: np.ndarray | None = None
        if (folder / METADATA).is_file():
            self._paths = self._listed(folder, count)
        else:
            found = (p for p in folder.iterdir() if p.suffix.lower() in _SUFFIXES)
            self._paths = sorted(found)[:count]
        if len(self._paths) < (count or 2):
            raise UserError(
                f"--images-dir {folder}: holds {len(self._paths)} pictures, "
                f"{count or 2} are needed."
            )
        sizes: dict[tuple[int, int], Path] = {}
        for path in self._paths:
            sizes.setdefault(self._size(path), path)
        if len(sizes) > 1:
            (size, path), (other, another) = list(sizes.items())[:2]
            raise UserError(
                f"--images-dir {folder}: holds pictures of several sizes: {path.name} is "
                f"{_by(size)}, {another.name} is {_by(other)}."
            )
        ((width, height),) = sizes
        if width != height:
            raise UserError(f"--images-dir {folder}: must hold square pictures, not {_by(*sizes)}.")
        self.side = width
        stamps = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in self._paths]
        self.fingerprint = digest(str(folder.resolve()), stamps)

    def _listed(self, folder, count):
        path = folder / METADATA
        files, captions, class_ids = [], [], []
        for number, row in islice(read_json_lines(path), count):
            name, text = row.get("file_name"), row.get("text")
            if not (isinstance(name, str) and isinstance(text, str)):
                raise UserError(
                    f"{path}, line {number}: must have `file_name` and `text`, strings."
                )
            if leaves_the_folder(os.path.relpath(folder / name, folder)):
                raise UserError(f"{path}, line {number}: {name!r} leaves the folder.")
            files.append(folder / name)
            captions.append(text)
            class_ids.append(row.get("class_id"))
        self.captions = captions
        if files and all(isinstance(class_id, int) for class_id in class_ids):
            self.class_ids = np.array(class_ids)
        return files

    def _size(self, path):
        with self._opened(path) as image:
            return image.size

    def _opened(self, path):
        try:
            return Image.open(path)
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: is no picture that can be read: {error}.") from error

    def __len__(self):
        return len(self._paths)

    def read(self, start, stop):
        return np.stack([self._pixels(path) for path in self._paths[start:stop]])

    def _pixels(self, path):
        with self._opened(path) as image:
            try:
                return np.asarray(image.convert("RGB"))
            except (OSError, ValueError, SyntaxError) as error:
                raise UserError(f"{path}: is damaged or cut short: {error}.") from error

    def label(self, row):
        return str(self._paths[row])


def _by(size):
    return f"{size[0]} × {size[1]}"
