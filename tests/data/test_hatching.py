"""Hatching: lines that a network leaves stand out, and texture, noise and blur do not."""

import re

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from dmgan_tf.data.toy_birds import (
    SURROUNDINGS,
    background_spectra,
    birds,
    draw_all,
    draw_surroundings,
    hatching,
)

SIDES = (64, 128)


class Scenes:
    """Real pictures of one side, where each one's background is, and spectra of others."""

    def __init__(self, side: int):
        flock = birds("test", 4, seed=6)
        self.kinds = np.array([bird.surroundings for bird in flock[::2]])
        pictures = draw_all(flock, side, processes=1)
        self.images, self.reference = pictures[::2], background_spectra(pictures[1::2])
        empty = np.stack([draw_surroundings(bird, side) for bird in flock[::2]])
        self.background = (self.images == empty).all(axis=-1)
        self.y, self.x = np.mgrid[:side, :side]

    def strength(self, images: np.ndarray) -> float:
        return hatching(background_spectra(images), self.reference).strength

    def with_pattern(self, pattern: np.ndarray, only_background: bool = False) -> np.ndarray:
        """Every third picture, with a pattern in grey levels."""
        where = self.background[::3] | (not only_background)
        added = self.images[::3] + (pattern * where)[..., None]
        return np.clip(np.rint(added), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module", params=SIDES)
def scenes(request) -> Scenes:
    return Scenes(request.param)


def wave(coordinate: np.ndarray, period: float) -> np.ndarray:
    return np.cos(2 * np.pi * coordinate / period)


def test_real_pictures_have_no_hatching(scenes):
    assert 0.9 < scenes.strength(scenes.images) < 1.5
    assert scenes.strength(scenes.images[::6]) < 2  # few pictures


@pytest.mark.parametrize("period", [2, 3, 4, 8])
def test_grids_stand_out(scenes, period):
    for pattern in (
        wave(scenes.x, period),
        wave(scenes.y, period),
        wave(scenes.x, period) + wave(scenes.y, period),
        wave(scenes.x + scenes.y, period),
        wave(scenes.x, period) * wave(scenes.y, period),
        np.where(scenes.x % period == 0, 1.0, -1.0),
    ):
        assert scenes.strength(scenes.with_pattern(2 * pattern)) > 3
        assert scenes.strength(scenes.with_pattern(2 * pattern, only_background=True)) > 3


def test_a_stronger_grid_has_more_hatching(scenes):
    strengths = [
        scenes.strength(scenes.with_pattern(amplitude * wave(scenes.x, 4)))
        for amplitude in (0, 1, 2, 4)
    ]
    assert strengths == sorted(strengths)


def test_the_period_is_found(scenes):
    for period in (2, 4):
        spectra = background_spectra(scenes.with_pattern(3 * wave(scenes.y, period)))
        assert hatching(spectra, scenes.reference).period_pixels == pytest.approx(period)


def test_unevenly_spaced_lines_stand_out(scenes):
    """As networks leave them: 3 or 4 pixels apart, elsewhere in each picture."""
    rng = np.random.default_rng(0)
    hatched = scenes.images.astype(float)
    for image in hatched:
        places = np.cumsum(rng.integers(3, 5, len(image)))
        image[:, places[places < len(image)]] -= 3
    assert scenes.strength(np.clip(hatched, 0, 255).astype(np.uint8)) > 3


def test_noise_and_blur_are_no_hatching(scenes):
    noise = np.random.default_rng(0).normal(0, 3, scenes.images.shape)
    noisy = np.clip(np.rint(scenes.images + noise), 0, 255).astype(np.uint8)
    assert scenes.strength(noisy) < 2
    assert scenes.strength(gaussian_filter(scenes.images, (0, 1, 1, 0))) < 2


@pytest.mark.parametrize("period", [16, 24])
def test_slow_shading_is_no_hatching(scenes, period):
    dither = np.random.default_rng(0).uniform(-1, 1, scenes.x.shape)  # or rounding makes steps
    for coordinate in (scenes.x, scenes.y):
        shaded = scenes.with_pattern(2 * wave(coordinate, period) + dither)
        assert scenes.strength(shaded) < 2


@pytest.mark.parametrize("kind", SURROUNDINGS)
def test_leaves_grass_and_ripples_are_no_hatching(scenes, kind):
    """Even where all pictures are of one kind, and the reference of all kinds."""
    assert scenes.strength(scenes.images[scenes.kinds == kind]) < 3


def test_pictures_too_small_are_named_in_the_error():
    with pytest.raises(ValueError, match=re.escape("`images` must have a side of at least 16")):
        background_spectra(np.zeros((1, 8, 8, 3), np.uint8))
    assert background_spectra(np.zeros((0, 64, 64, 3), np.uint8)).shape == (0, 16, 9)
