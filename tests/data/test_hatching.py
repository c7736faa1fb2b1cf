"""Hatching: lines that a network leaves stand out, and texture, noise and blur do not."""

import re

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from dmgan_tf.data.toy_birds import (
    SURROUNDINGS,
    Hatching,
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
        kinds = np.array([bird.surroundings for bird in flock])
        pictures = draw_all(flock, side, processes=1)
        self.images, self.kinds = pictures[::2], kinds[::2]
        self.reference = background_spectra(pictures[1::2]), kinds[1::2]
        empty = np.stack([draw_surroundings(bird, side) for bird in flock[::2]])
        self.background = (self.images == empty).all(axis=-1)
        self.y, self.x = np.mgrid[:side, :side]

    def hatching(self, images: np.ndarray, which: slice | np.ndarray = np.s_[:]) -> Hatching:
        """Of changed pictures, made from `which` of `images`."""
        return hatching(background_spectra(images), self.kinds[which], *self.reference)

    def strength(self, images: np.ndarray, which: slice | np.ndarray = np.s_[:]) -> float:
        return self.hatching(images, which).strength

    def strength_with(self, pattern: np.ndarray, only_background: bool = False) -> float:
        return self.strength(self.with_pattern(pattern, only_background), np.s_[::3])

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
    assert scenes.strength(scenes.images[::6], np.s_[::6]) < 2  # few pictures


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
        assert scenes.strength_with(2 * pattern) > 3
        assert scenes.strength_with(2 * pattern, only_background=True) > 3


@pytest.mark.parametrize("period", [2, 3, 4])
def test_lines_in_a_part_of_the_background_stand_out(scenes, period):
    side = len(scenes.x)
    for where in (scenes.y > 0.6 * side, scenes.y < 0.4 * side):
        assert scenes.strength_with(2 * wave(scenes.x, period) * where) > 3


def test_a_stronger_grid_has_more_hatching(scenes):
    strengths = [scenes.strength_with(amplitude * wave(scenes.x, 4)) for amplitude in (0, 1, 2, 4)]
    assert strengths == sorted(strengths)


def test_the_period_is_found(scenes):
    for period in (2, 4):
        found = scenes.hatching(scenes.with_pattern(3 * wave(scenes.y, period)), np.s_[::3])
        assert found.period_pixels == pytest.approx(period)


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
        assert scenes.strength_with(2 * wave(coordinate, period) + dither) < 2


@pytest.mark.parametrize("kind", SURROUNDINGS)
def test_leaves_grass_and_ripples_are_no_hatching(scenes, kind):
    alone = scenes.kinds == kind
    assert scenes.strength(scenes.images[alone], alone) < 1.6


def test_pictures_too_small_are_named_in_the_error():
    with pytest.raises(ValueError, match=re.escape("`images` must have a side of at least 16")):
        background_spectra(np.zeros((1, 8, 8, 3), np.uint8))
    assert background_spectra(np.zeros((0, 64, 64, 3), np.uint8)).shape == (0, 2, 16, 9)


def test_a_kind_that_hardly_any_reference_shows_is_compared_with_all(scenes):
    spectra, (reference, kinds) = background_spectra(scenes.images), scenes.reference
    unknown = np.full(len(spectra), "none")
    once = np.where(np.arange(len(kinds)) == 0, "none", kinds)
    assert hatching(spectra, unknown, reference, once) == hatching(
        spectra, unknown, reference, np.full(len(kinds), "none")
    )


def test_spectra_without_kinds_and_no_pictures_are_refused(scenes):
    spectra, kinds = scenes.reference
    for wrong in ((spectra[:0], kinds[:0]), (spectra, kinds[1:])):
        with pytest.raises(ValueError, match=r"need spectra, and a kind for each\. Received: "):
            hatching(*wrong, spectra, kinds)
        with pytest.raises(ValueError, match=r"need spectra, and a kind for each\. Received: "):
            hatching(spectra, kinds, *wrong)
