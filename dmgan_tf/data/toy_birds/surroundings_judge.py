"""Which surroundings does a picture show? A judge for generated birds that knows no captions.

Analysis by synthesis: scenes of every kind are drawn for every pose and size of a bird. A picture
is compared with them by the mean colour of cells where no bird stands. It shows a kind when that
kind is clearly nearer than any other kind and than a single flat colour.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np

from dmgan_tf.data.toy_birds.bird_cover import COVER_SIDE, DERIVATION_SEED, bird_cover
from dmgan_tf.data.toy_birds.drawing import draw_surroundings
from dmgan_tf.data.toy_birds.species import POSES, SIZES, SURROUNDINGS, Bird, birds
from dmgan_tf.data.toy_birds.working_images import working_images

NO_SURROUNDINGS = "none"

_CELLS = 8  # per side
_MAX_COVER = 0.02  # share of birds on a pixel that counts as background
_MIN_PIXELS = 8  # of background in a cell
_SHIFTS = (-0.03, 0.0, 0.03)  # of the feet, in sides of the frame
_SCENES = 4  # averaged per geometry: their clouds, leaves and grains differ
# To the nearest kind, over that to the next. Few real pictures reach 0.6; mixtures have about 1.
_MAX_DISTANCE_RATIO = 2 / 3
_PICTURES_PER_CHUNK = 256


def judge_surroundings(images: np.ndarray) -> list[str]:
    """Name the surroundings of each picture: one of `SURROUNDINGS` or `NO_SURROUNDINGS`.

    Args:   images: uint8 [N, side, side, 3].
    Raises: ValueError: when `images` is not a batch of square uint8 pictures.
    """
    pixels = working_images(images, COVER_SIDE)
    names: list[str] = []
    for start in range(0, len(pixels), _PICTURES_PER_CHUNK):
        names += _judge(_cell_colors(pixels[start : start + _PICTURES_PER_CHUNK]))
    return names


def variety(kinds: Sequence[str]) -> float:
    """Return over how many kinds pictures are spread: exp(−Σ p ln p), from 1 to 6.

    Args:    kinds: what `judge_surroundings` found. Pictures of `NO_SURROUNDINGS` do not count.
    Returns: 0 when no picture shows a kind.
    """
    counts = np.array([list(kinds).count(kind) for kind in SURROUNDINGS])
    shares = counts[counts > 0] / max(counts.sum(), 1)
    return float(np.exp(-(shares * np.log(shares)).sum())) if len(shares) else 0.0


def _judge(colors: np.ndarray) -> list[str]:
    """Name the surroundings of cells of colours, float32 [N, cells, 3]."""
    distances = np.stack([_distance(colors, scene) for scene in _scenes()])  # [scenes, N]
    by_kind = distances.reshape(len(SURROUNDINGS), -1, len(colors)).min(axis=1)  # [kinds, N]
    nearest, second = np.sort(by_kind, axis=0)[:2]
    flat = _distance(colors, np.median(colors, axis=1, keepdims=True))
    known = nearest < _MAX_DISTANCE_RATIO * np.minimum(second, flat)
    return [
        SURROUNDINGS[kind] if is_known else NO_SURROUNDINGS
        for kind, is_known in zip(by_kind.argmin(axis=0), known, strict=True)
    ]


def _distance(colors: np.ndarray, scene: np.ndarray) -> np.ndarray:
    """Return the mean Euclidean distance of RGB over cells [N]; not squared: a cloud is no flaw."""
    return np.sqrt(np.square(colors - scene).mean(axis=-1)).mean(axis=-1)


def _cell_colors(images: np.ndarray) -> np.ndarray:
    """Return the mean colour of the background of each cell, float32 [N, cells, 3]."""
    weights = _by_cell(bird_cover()[None, ..., None] < _MAX_COVER).astype(np.float32)
    counts = weights.sum(axis=2)  # [1, cells, 1]
    colors = (_by_cell(images) * weights).sum(axis=2) / np.maximum(counts, 1)
    return colors[:, counts[0, :, 0] >= _MIN_PIXELS]


def _by_cell(images: np.ndarray) -> np.ndarray:
    """[N, side, side, C] → [N, cells, pixels of a cell, C]."""
    count, side, _, channels = images.shape
    size = side // _CELLS
    split = images.reshape(count, _CELLS, size, _CELLS, size, channels)
    return split.transpose(0, 1, 3, 2, 4, 5).reshape(count, _CELLS**2, size**2, channels)


@cache
def _scenes() -> np.ndarray:
    """Return cell colours of drawn scenes, ordered by kind: float32 [scenes, cells, 3]."""
    bird = replace(birds("train", 1, DERIVATION_SEED)[0], scale=1.0)
    scenes = [
        _mean_scene(replace(bird, surroundings=kind, pose=pose, shift=(0.0, shift)), size)
        for kind, pose, size, shift in product(SURROUNDINGS, POSES, SIZES, _SHIFTS)
    ]
    return np.stack(scenes)


def _mean_scene(bird: Bird, size: str) -> np.ndarray:
    bird = replace(bird, species=replace(bird.species, size=size))
    drawn = [draw_surroundings(replace(bird, scene_seed=k), COVER_SIDE) for k in range(_SCENES)]
    return _cell_colors(np.stack(drawn)).mean(axis=0)
