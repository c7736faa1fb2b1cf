"""Where in the frame a bird may be: what judges of the background leave out."""

from functools import cache

import numpy as np

from dmgan_tf.data.toy_birds.drawing import draw, draw_surroundings
from dmgan_tf.data.toy_birds.species import birds

COVER_SIDE = 64
DERIVATION_SEED = 20261125  # of the birds that judges are derived from


@cache
def bird_cover() -> np.ndarray:
    """Return the share of drawn birds that cover each pixel, float32 [COVER_SIDE, COVER_SIDE]."""
    flock = birds("train", 1, DERIVATION_SEED)
    cover = np.zeros((COVER_SIDE, COVER_SIDE), np.float32)
    for bird in flock:
        cover += (draw(bird, COVER_SIDE) != draw_surroundings(bird, COVER_SIDE)).any(axis=-1)
    return cover / len(flock)
