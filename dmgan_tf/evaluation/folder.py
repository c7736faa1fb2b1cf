"""Pictures that any other program has made."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from dmgan_tf.errors import UserError
from dmgan_tf.evaluation.pictures import METADATA, digest

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
            self._paths = self._listed(folder)
        else:
            found = (p for p in folder.iterdir() if p.suffix.lower() in _SUFFIXES)
            self._paths = sorted(found)
        if len(self._paths) < (count or 2):
            raise UserError(
                f"--images-dir {folder}: holds {len(self._paths)} pictures, "
                f"{count or 2} are needed."
            )
        self._paths = self._paths[:count]
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

    def _listed(self, folder):
        rows = []
        path = folder / METADATA
        lines = path.read_text(encoding="utf-8").split("\n")
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line) if line.strip() else None
                if row is not None:
                    rows.append((folder / row["file_name"], str(row["text"]), row.get("class_id")))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise UserError(
                    f"{path}, line {number}: must have `file_name` and `text`: {error!r}."
                ) from error
        if any(not file.resolve().is_relative_to(folder.resolve()) for file, *_ in rows):
            raise UserError(f"{path}: a `file_name` leaves the folder.")
        self.captions = [text for _, text, _ in rows]
        if rows and all(isinstance(class_id, int) for *_, class_id in rows):
            self.class_ids = np.array([class_id for *_, class_id in rows])
        return [file for file, *_ in rows]

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
