"""Draws birds like plates of a field guide: at any side, and all facing right.

One direction is a choice: from a few thousand pictures of both directions a small GAN learns
birds with a head at either end.
"""

import colorsys
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np

from dmgan_tf.data.toy_birds import surroundings
from dmgan_tf.data.toy_birds.anatomy import anatomy
from dmgan_tf.data.toy_birds.pencil import Color, Pencil
from dmgan_tf.data.toy_birds.species import COLORS, PARTS, Bird

MIN_SIDE, MAX_SIDE = 16, 256
SIZE_SCALES = {"small": 0.57, "medium": 0.635, "large": 0.7}  # bird units per side of the frame

_OUTLINE_WIDTH = 0.011
_HORN = (238, 150, 52)
_BIRDS_PER_TASK = 64
_MIN_BIRDS_FOR_PROCESSES = 1000


def draw(bird: Bird, side: int) -> np.ndarray:
    """Draw one picture; the same scene at every side.

    Args:    side: int, pixels, 16 to 256.
    Returns: uint8 [side, side, 3].
    Raises:  ValueError: when `side` is out of range.
    """
    pencil = _scene(bird, side)
    _paint_bird(pencil, bird, placed_shapes(bird))
    return pencil.finish()


def draw_surroundings(bird: Bird, side: int) -> np.ndarray:
    """Draw the scene of `draw` without its bird: uint8 [side, side, 3]."""
    return _scene(bird, side).finish()


def draw_all(birds: Sequence[Bird], side: int, processes: int | None = None) -> np.ndarray:
    """Draw many pictures; any number of processes gives the same bytes.

    Processes are spawned, not forked (forking a process that runs TensorFlow may hang), so a
    script that draws in several processes needs its `if __name__ == "__main__":`.

    Args:
        processes: int >= 1; None = one per CPU from 1000 pictures on, else one.
    Returns: uint8 [N, side, side, 3].
    """
    if processes is None:
        processes = (os.cpu_count() or 1) if len(birds) >= _MIN_BIRDS_FOR_PROCESSES else 1
    if processes < 1:
        raise ValueError(f"`processes` must be at least 1. Received: processes={processes}.")
    images = np.empty((len(birds), side, side, 3), np.uint8)
    draw_one = partial(draw, side=side)
    if processes == 1:
        for i, bird in enumerate(birds):
            images[i] = draw_one(bird)
        return images
    # An executor, as a pool would start processes without end where that line is missing.
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as executor:
        for i, image in enumerate(executor.map(draw_one, birds, chunksize=_BIRDS_PER_TASK)):
            images[i] = image
    return images


def placed_shapes(bird: Bird) -> dict[str, np.ndarray]:
    """Return the polygons of `anatomy` in coordinates of the frame."""
    scale = bird.scale * SIZE_SCALES[bird.species.size]
    shapes = anatomy(bird.pose, bird.species.beak, bird.species.tail)
    return {name: points * scale + 0.5 + bird.shift for name, points in shapes.items()}


def _scene(bird: Bird, side: int) -> Pencil:
    if not MIN_SIDE <= side <= MAX_SIDE:
        raise ValueError(
            f"`side` must be between {MIN_SIDE} and {MAX_SIDE} pixels. Received: side={side}."
        )
    pencil = Pencil(side, surroundings.GRADIENTS[bird.surroundings])
    shapes = placed_shapes(bird)
    feet = (shapes["left_leg"][1] + shapes["right_leg"][1]) / 2
    surroundings.paint(pencil, bird.surroundings, feet, np.random.default_rng(bird.scene_seed))
    return pencil


def _paint_bird(pencil: Pencil, bird: Bird, shapes: dict[str, np.ndarray]) -> None:
    colors = {
        part: _tinted(COLORS[getattr(bird.species, part)], *tint)
        for part, tint in zip(PARTS, bird.tints, strict=True)
    }
    body, outline = colors["body"], _shaded(colors["body"])
    for leg in ("left_leg", "right_leg"):
        pencil.stroke(shapes[leg], _shaded(_HORN), 0.018)
    _paint(pencil, shapes["tail"], body)
    _paint(pencil, shapes["beak"], _HORN)
    for name in ("body", "neck", "head"):  # all outlines first: no line between body and head
        pencil.stroke(shapes[name], outline, 2 * _OUTLINE_WIDTH, closed=True)
    for name in ("body", "neck", "head"):
        pencil.fill(shapes[name], body)
    for part in ("belly", "wing", "crown"):
        _paint(pencil, shapes[part], colors[part])
    for feather in ("feather_0", "feather_1"):
        pencil.stroke(shapes[feather], _shaded(colors["wing"]), _OUTLINE_WIDTH)
    eye = shapes["eye"]
    unit = bird.scale * SIZE_SCALES[bird.species.size]
    pencil.dots(eye, 0.05 * unit, (250, 250, 250))
    pencil.dots(eye, 0.037 * unit, (16, 16, 20))
    pencil.dots(eye + np.array([0.012, -0.014]) * unit, 0.012 * unit, (250, 250, 250))


def _paint(pencil: Pencil, points: np.ndarray, color: Color) -> None:
    pencil.fill(points, color)
    pencil.stroke(points, _shaded(color), _OUTLINE_WIDTH, closed=True)


def _shaded(color: Color) -> Color:
    """Return the colour of the outline around `color`."""
    red, green, blue = (round(0.58 * channel) for channel in color)
    return (red, green, blue)


def _tinted(color: Color, hue_turn: float, lightness_change: float) -> Color:
    hue, lightness, saturation = colorsys.rgb_to_hls(*(channel / 255 for channel in color))
    lightness = min(max(lightness + lightness_change, 0.0), 1.0)
    red, green, blue = colorsys.hls_to_rgb((hue + hue_turn) % 1, lightness, saturation)
    return (round(255 * red), round(255 * green), round(255 * blue))
