"""What the judges of toy_birds say of pictures whose truth is known, and of pictures in grids.

    python benchmarks/judges.py [GRID.png …]

Real pictures of seeds that no judge is derived from, mixtures of them, and the same with grids of
lines added to the background. GRID.png: of `evaluate`, pictures enlarged above their captions.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from itertools import combinations, product
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from dmgan_tf.data.toy_birds import (
    NO_SURROUNDINGS,
    PARTS,
    SURROUNDINGS,
    background_spectra,
    birds,
    draw_all,
    draw_surroundings,
    hatching,
    judge_colors,
    judge_surroundings,
    named_share,
    variety,
)

_SIDES, _SEEDS, _IMAGES_PER_CLASS = (64, 128), (101, 102), 20
_PERIODS, _AMPLITUDES = (2, 3, 4, 8), (1, 2, 4)
_GRID_COLUMNS, _GRID_GAP, _GRID_SHOWN_SIDE, _GRID_SIDE = 4, 8, 192, 64


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("grids", nargs="*", type=Path, metavar="GRID.png")
    grids = parser.parse_args().grids
    start = time.perf_counter()
    plain = np.zeros((1, _GRID_SIDE, _GRID_SIDE, 3), np.uint8)
    judge_surroundings(plain), background_spectra(plain)
    print(f"preparation: {time.perf_counter() - start:.1f} s")
    for side in _SIDES:
        print(f"side {side}")
        flock, reference = (birds("test", _IMAGES_PER_CLASS, seed) for seed in _SEEDS)
        images = draw_all(flock, side, processes=1)
        named = [{part: getattr(bird.species, part) for part in PARTS} for bird in flock]
        judged = judge_colors(images)
        shares = {
            part: round(share, 3) for part, share in named_share(judged.colors, named).items()
        }
        print(f"  real: colours {shares}, fit {judged.fit.mean():.2f}")
        _surroundings(images, [bird.surroundings for bird in flock])
        real = draw_all(reference, side, processes=1)
        against = _spectra_and_kinds(real)
        empty = np.stack([draw_surroundings(bird, side) for bird in flock])
        _hatching(images, (images == empty).all(axis=-1), against)
        if side == _GRID_SIDE:
            for path in grids:
                cells = _cells(path)
                spectra, kinds = _spectra_and_kinds(cells)
                found = hatching(spectra, kinds, *against)
                shown = {
                    kind: int((kinds == kind).sum()) for kind in (*SURROUNDINGS, NO_SURROUNDINGS)
                }
                print(f"  {path.stem}: hatching {found.strength:.1f}, {shown}")
    return 0


def _surroundings(images: np.ndarray, truth: list[str]) -> None:
    start = time.perf_counter()
    judged = np.array(judge_surroundings(images))
    seconds = time.perf_counter() - start
    right = np.mean(judged == truth)
    print(f"  {len(images)} real pictures: {right:.1%} right, {seconds:.1f} s")
    print(f"  real: variety {variety(judged.tolist()):.2f}")
    soft = gaussian_filter(images, (0, images.shape[1] / 40, images.shape[1] / 40, 0))
    print(f"  blurred: {np.mean(np.array(judge_surroundings(soft)) == truth):.1%} right")
    for name, pictures in _strangers(images, np.array(truth)):
        share = judge_surroundings(pictures).count(NO_SURROUNDINGS) / len(pictures)
        print(f"  {name}: {share:.1%} none")


def _strangers(images: np.ndarray, truth: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Pictures that show no kind."""
    by_kind = [images[truth == kind][:50] for kind in SURROUNDINGS]
    side, middle = images.shape[1], images.shape[1] // 2
    greys = np.arange(256).reshape(-1, 1, 1, 1) * np.ones((side, side, 3))
    yield "plain grey", greys.astype(np.uint8)
    means = images.mean(axis=(1, 2), keepdims=True) * np.ones((side, side, 1))
    yield "the mean colour of a picture", means.astype(np.uint8)
    yield (
        "uniform noise",
        np.random.default_rng(0).integers(0, 256, (200, side, side, 3), dtype=np.uint8),
    )
    yield "mean of all kinds", np.mean(by_kind, axis=0).astype(np.uint8)
    pairs = list(combinations(by_kind, 2))
    yield "two kinds blended", np.concatenate([a // 2 + b // 2 for a, b in pairs])
    halves = [np.concatenate([a[:, :, :middle], b[:, :, middle:]], axis=2) for a, b in pairs]
    yield "two kinds side by side", np.concatenate(halves)


def _spectra_and_kinds(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return background_spectra(images), np.array(judge_surroundings(images))


def _hatching(
    images: np.ndarray, background: np.ndarray, reference: tuple[np.ndarray, np.ndarray]
) -> None:
    start = time.perf_counter()
    spectra, kinds = _spectra_and_kinds(images)
    found = hatching(spectra, kinds, *reference)
    print(f"  real: hatching {found.strength:.2f}, {time.perf_counter() - start:.1f} s")

    def strength(changed: np.ndarray, step: int = 1) -> float:
        """Of changed pictures, whose surroundings are known."""
        return hatching(background_spectra(changed), kinds[::step], *reference).strength

    noise = np.random.default_rng(0).normal(0, 3, images.shape)
    print(f"  noise added: {strength(_rounded(images + noise)):.2f}")
    for sigma in (1, 2):
        print(f"  blurred, {sigma}: {strength(gaussian_filter(images, (0, sigma, sigma, 0))):.2f}")
    for kind in SURROUNDINGS:
        alone = hatching(spectra[kinds == kind], kinds[kinds == kind], *reference)
        print(f"  {kind} alone: {alone.strength:.2f}")
    for period in (16, 24):  # dithered: rounding would make steps
        wave = 2 * np.sin(2 * np.pi * np.arange(images.shape[1]) / period)[:, None, None]
        dither = np.random.default_rng(0).uniform(-1, 1, images.shape[1:])
        found_strength = strength(_rounded(images + wave + dither))
        print(f"  shading of period {period}, 2 grey levels: {found_strength:.2f}")
    images, background = images[::10], background[::10]
    side = images.shape[1]
    rows = np.arange(side)[:, None]
    parts = {"": 1, ", lowest 40 %": rows > 0.6 * side, ", uppermost 40 %": rows < 0.4 * side}
    print(f"  lines and grids of {_AMPLITUDES} grey levels")
    for period, (part, where) in product(_PERIODS, parts.items()):
        for name, pattern in _patterns(side, period):
            added = (pattern * background * where)[..., None]
            strengths = [f"{strength(_rounded(images + a * added), 10):.1f}" for a in _AMPLITUDES]
            print(f"  period {period}, {name}{part}: {', '.join(strengths)}")


def _rounded(images: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(images), 0, 255).astype(np.uint8)


def _patterns(side: int, period: int) -> Iterator[tuple[str, np.ndarray]]:
    y, x = np.cos(2 * np.pi * np.mgrid[:side, :side] / period)
    yield "columns", x
    yield "rows", y
    yield "both", x + y
    yield "checker", x * y
    yield "diagonal", np.cos(2 * np.pi * np.add(*np.mgrid[:side, :side]) / period)


def _cells(path: Path) -> np.ndarray:
    """The 16 pictures of a grid at their own side, uint8 [16, 64, 64, 3]."""
    grid = np.asarray(Image.open(path).convert("RGB"))
    times, width = _GRID_SHOWN_SIDE // _GRID_SIDE, _GRID_SHOWN_SIDE
    height = (len(grid) + _GRID_GAP) // _GRID_COLUMNS  # of picture, caption and gap
    tops, lefts = range(0, len(grid), height), range(0, grid.shape[1], width + _GRID_GAP)
    return np.stack(
        [grid[y : y + width : times, x : x + width : times] for y in tops for x in lefts]
    )


if __name__ == "__main__":
    sys.exit(main())
