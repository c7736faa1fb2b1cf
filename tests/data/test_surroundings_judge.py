"""The judge of surroundings: right on drawn pictures, not fooled by flat or mixed ones."""

import re
from itertools import combinations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from dmgan_tf.data.toy_birds import (
    NO_SURROUNDINGS,
    SURROUNDINGS,
    Bird,
    birds,
    draw_all,
    judge_surroundings,
    variety,
)


@pytest.fixture(scope="module")
def flock() -> list[Bird]:
    return birds("test", 6, seed=5)


@pytest.fixture(scope="module")
def images(flock) -> np.ndarray:
    return draw_all(flock, 64, processes=1)


@pytest.fixture(scope="module")
def by_kind(flock, images) -> dict[str, np.ndarray]:
    """Thirty pictures of each kind."""
    kinds = np.array([bird.surroundings for bird in flock])
    return {kind: images[kinds == kind][:30] for kind in SURROUNDINGS}


def right(images: np.ndarray, flock: list[Bird]) -> float:
    truth = [bird.surroundings for bird in flock]
    judged = judge_surroundings(images)
    return float(np.mean([a == b for a, b in zip(judged, truth, strict=True)]))


def unknown(images: np.ndarray) -> float:
    return judge_surroundings(images).count(NO_SURROUNDINGS) / len(images)


@pytest.mark.parametrize("side", [64, 128])
def test_drawn_surroundings_are_named(flock, images, side):
    drawn = images if side == 64 else draw_all(flock[::2], side, processes=1)
    assert right(drawn, flock if side == 64 else flock[::2]) >= 0.98


def test_blurred_surroundings_are_named(flock, images):
    assert right(gaussian_filter(images, (0, 1.5, 1.5, 0)), flock) >= 0.95


def test_flat_pictures_show_nothing(images):
    greys = np.broadcast_to(np.arange(0, 256, 8).reshape(-1, 1, 1, 1), (32, 64, 64, 3))
    assert unknown(greys.astype(np.uint8)) == 1
    corners = images[:, :2, :2].mean(axis=(1, 2), keepdims=True)  # the colour of each sky
    assert unknown(np.broadcast_to(corners, images.shape).astype(np.uint8)) == 1


def test_noise_and_haze_show_nothing(images):
    rng = np.random.default_rng(0)
    assert unknown(rng.integers(0, 256, (50, 64, 64, 3), dtype=np.uint8)) >= 0.9
    haze = np.linspace(190, 220, 64)[:, None, None] + rng.normal(0, 3, (50, 64, 64, 3))
    assert unknown(haze.round().astype(np.uint8)) >= 0.9


def test_the_mean_of_all_kinds_shows_nothing(by_kind):
    assert unknown(np.mean(list(by_kind.values()), axis=0).astype(np.uint8)) >= 0.9


@pytest.mark.parametrize("way", ["blended", "side by side"])
def test_halves_of_two_kinds_show_nothing(by_kind, way):
    for one, other in combinations(by_kind.values(), 2):
        mixed = one // 2 + other // 2
        if way == "side by side":
            mixed = np.concatenate([one[:, :, :32], other[:, :, 32:]], axis=2)
        assert unknown(mixed) >= 0.9


def test_variety_counts_kinds():
    assert variety(SURROUNDINGS * 4) == pytest.approx(6)
    assert variety(["sky", "snow"] * 3 + [NO_SURROUNDINGS] * 9) == pytest.approx(2)
    assert variety(["sky"] * 5) == pytest.approx(1)
    assert variety([NO_SURROUNDINGS] * 5) == variety([]) == 0


def test_no_pictures_have_no_surroundings():
    assert judge_surroundings(np.zeros((0, 64, 64, 3), np.uint8)) == []


def test_wrong_pictures_are_named_in_the_error():
    with pytest.raises(ValueError, match=re.escape("`images` must be uint8 in 0..255.")):
        judge_surroundings(np.zeros((1, 64, 64, 3)))
