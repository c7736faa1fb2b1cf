"""Pictures with captions in memory or on disk: what every data source gives and training reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dmgan_tf.data.remote_data import RemoteData


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Where on disk N pictures stand.

    Attributes:
        names: N names, for people.
        files: names of the files that hold the pictures.
        file_of: int32 [N], place in `files`. offsets, sizes: int64 [N], bytes within it.
        crops: int32 [N, 4], (x, y, width, height) to cut from each; zeros = all of it.
        stored: beginning of the names of files in which arrays that are made of these are kept.
        remote: brings a file before it is opened; None: all are there.
    """

    names: Sequence[str]
    files: tuple[str, ...]
    file_of: np.ndarray
    offsets: np.ndarray
    sizes: np.ndarray
    crops: np.ndarray
    stored: Path | None = None
    remote: RemoteData | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSet:
    """N pictures with their captions; either `images` or `records` holds the pictures.

    Attributes:
        captions: N rows of at least one caption each.
        class_ids: int32 [N]; pictures of one class are no negatives of each other in DAMSM.
        images: uint8 [N, side, side, 3], or None.
        records: JPEG or PNG pictures on disk, or None.
    """

    captions: Sequence[Sequence[str]]
    class_ids: np.ndarray
    images: np.ndarray | None = None
    records: Records | None = None

    def __len__(self):
        return len(self.captions)

    def steps_per_epoch(self, batch_size: int) -> int:
        """Whole batches that the pictures make, at least one."""
        return max(1, len(self) // batch_size)
