"""Pictures with captions in memory or on disk: what every data source gives and training reads."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSet:
    """N pictures with their captions; either `images` or `paths` holds the pictures.

    Attributes:
        captions: N tuples of at least one caption each.
        class_ids: int32 [N]; pictures of one class are no negatives of each other in DAMSM.
        images: uint8 [N, side, side, 3], or None.
        paths: N file names of JPEG or PNG pictures, or None.
        crops: int32 [N, 4], (x, y, width, height) to cut from each file; zeros = all of it.
    """

    captions: tuple[tuple[str, ...], ...]
    class_ids: np.ndarray
    images: np.ndarray | None = None
    paths: tuple[str, ...] | None = None
    crops: np.ndarray | None = None

    def __len__(self):
        return len(self.captions)
