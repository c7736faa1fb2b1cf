"""The pictures that are scored: drawn by a model, or real ones."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import tensorflow as tf
from scipy.ndimage import gaussian_filter

from dmgan_tf.data.picture_set import PictureSet
from dmgan_tf.data.pipeline import read_pictures
from dmgan_tf.errors import UserError
from dmgan_tf.inference.image_grid import save_picture, to_uint8
from dmgan_tf.inference.text_to_image import TextToImage
from dmgan_tf.training.replicas import map_batch
from dmgan_tf.whole_file import write_text

METADATA = "metadata.jsonl"  # beside kept pictures: `file_name`, `text`, `class_id`
# Blobs of the right colours in the right places: what a distance to real pictures must punish.
_BLUR_SIGMA = 1 / 16  # of the side


class Pictures(Protocol):
    """N pictures of one size, read when they are wanted.

    Attributes: side: pixels. fingerprint: of all that decides on them, to know them again by.
    """

    side: int
    fingerprint: str

    def __len__(self) -> int: ...

    def read(self, start: int, stop: int) -> np.ndarray:
        """Pictures [start, stop): uint8 [stop − start, side, side, 3]."""

    def label(self, row: int) -> str:
        """What to call a picture before people."""


class Drawn:
    """A model's pictures of captions, a seed each; every replica draws its share.

    Args: artist: with its networks in the strategy's scope. fingerprint: of the model.
        batch_size: pictures at once, fixed, so that nothing is traced twice.
    """

    def __init__(
        self,
        artist: TextToImage,
        strategy: tf.distribute.Strategy,
        captions: Sequence[str],
        seeds: Sequence[int],
        fingerprint: str,
        batch_size: int,
    ):
        self.side = artist.generator.sides[-1]
        self.fingerprint = digest(fingerprint, list(captions), list(seeds))
        self._artist, self._strategy, self._batch_size = artist, strategy, batch_size
        self._captions, self._seeds = captions, seeds
        self._rows = artist.encode(captions)
        self._draw = tf.function(lambda *inputs: artist.forward(*inputs).images[-1])

    def __len__(self):
        return len(self._rows)

    def read(self, start, stop):
        parts = []
        for first in range(start, stop, self._batch_size):
            rows = slice(first, min(stop, first + self._batch_size))
            inputs = self._artist.inputs(self._rows[rows], self._seeds[rows])
            arrays = list(inputs.values())
            parts.append(to_uint8(map_batch(self._strategy, self._draw, arrays, self._batch_size)))
        return np.concatenate(parts)

    def label(self, row):
        return f"the picture of {self._captions[row]!r}, seed {self._seeds[row]}"


class Real:
    """Pictures of a data set, their middle at the scale of training; with `blurred`, blobs of them.

    Args: load_side_ratio: see DataConfig.
    """

    def __init__(
        self, pictures: PictureSet, side: int, load_side_ratio: float, blurred: bool = False
    ):
        self.side = side
        self._pictures = pictures
        self._load_side_ratio, self._blurred = load_side_ratio, blurred
        self.fingerprint = digest(_content(pictures), side, load_side_ratio, blurred)

    def __len__(self):
        return len(self._pictures)

    def read(self, start, stop):
        rows = np.arange(start, stop)
        images = read_pictures(self._pictures, rows, self.side, self._load_side_ratio)
        sigma = _BLUR_SIGMA * self.side
        return gaussian_filter(images, (0, sigma, sigma, 0)) if self._blurred else images

    def label(self, row):
        records = self._pictures.records
        return f"the real picture {records.names[row] if records else row}"


class Kept:
    """Pictures that are written into a folder as they are read, with a list of their captions.

    Raises: UserError: when the folder holds another list.
    """

    def __init__(
        self, pictures: Pictures, folder: Path, captions: Sequence[str], class_ids: np.ndarray
    ):
        self.side = pictures.side
        self.fingerprint = digest(pictures.fingerprint, str(folder.resolve()))
        self.label = pictures.label
        self._pictures, self._folder = pictures, folder
        rows = (
            {"file_name": self._name(i), "text": caption, "class_id": int(class_ids[i])}
            for i, caption in enumerate(captions)
        )
        self._list = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        path = folder / METADATA
        if path.is_file() and path.read_bytes() != self._list.encode():
            raise UserError(
                f"{path}: is the list of other pictures. Give --keep-images another folder."
            )

    @staticmethod
    def _name(row):
        return f"{row:06d}.png"

    def __len__(self):
        return len(self._pictures)

    def read(self, start, stop):
        if start == 0:  # not earlier: what is refused before leaves no list
            write_text(self._folder / METADATA, self._list)
        images = self._pictures.read(start, stop)
        for row, image in zip(range(start, stop), images, strict=True):
            save_picture(self._folder / self._name(row), image)
        return images


def _content(pictures):
    """What tells a data set from another, without reading all of it."""
    if pictures.images is not None:
        return hashlib.sha256(pictures.images.tobytes()).hexdigest()
    records = pictures.records
    places = [records.offsets.tolist(), records.sizes.tolist(), records.crops.tolist()]
    files = [Path(file) for file in records.files]
    if records.remote:  # its shards are fetched as they are read
        sizes = [records.remote.sizes[file.name] for file in files]
    else:
        sizes = [file.stat().st_size for file in files]
    return [list(records.names), [file.name for file in files], sizes, places]


def digest(*parts) -> str:
    """Of plain values, 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
