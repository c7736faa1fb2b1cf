"""Which colours does a picture show? A judge for generated birds that knows no captions.

Analysis by synthesis: every pose, scale and shift of the bird divides the picture into its parts
and the surroundings. The division that explains most of the picture's variance by one colour per
region is taken, and the median colour well inside each part is named in CIELAB.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from PIL import Image, ImageDraw

from dmgan_tf.data.toy_birds.anatomy import anatomy
from dmgan_tf.data.toy_birds.drawing import SIZE_SCALES
from dmgan_tf.data.toy_birds.species import COLORS, PARTS, POSES
from dmgan_tf.data.toy_birds.working_images import working_images

_SIDE = 64
_OVERSAMPLING = 4
_SCALES = np.linspace(0.95 * SIZE_SCALES["small"], 1.05 * SIZE_SCALES["large"], 6)
_SHIFTS = np.arange(-2, 3) / _SIDE
_BANDS = 4  # the surroundings count as this many horizontal regions
_PICTURES_PER_CHUNK = 256
_LINE = len(PARTS) + 1  # label of outlines, eye and beak: no part's colour


@dataclass(frozen=True, slots=True)
class ColorJudgement:
    """Named colours per part, one per picture, and how well a bird explains each picture.

    fit: float [N], at most 1: of the variance that horizontal bands of surroundings leave, the
        share that the bird explains. Well below that of drawn birds where there is no bird.
    """

    colors: dict[str, list[str]]
    fit: np.ndarray


@dataclass(frozen=True, slots=True)
class _Geometries:
    regions: np.ndarray  # float32 [G * R, pixels], 1 inside a region; R = parts + bands
    counts: np.ndarray  # float32 [G, R]
    cores: np.ndarray  # bool [G, parts, pixels], well inside a part


def judge_colors(images: np.ndarray) -> ColorJudgement:
    """Name the colour of each part of each picture.

    Args:   images: uint8 [N, side, side, 3].
    Raises: ValueError: when `images` is not a batch of square uint8 pictures.
    """
    pixels = working_images(images, _SIDE).reshape(-1, _SIDE**2, 3)  # [N, pixels, 3]
    geometries = _geometries()
    colors: dict[str, list[str]] = {part: [] for part in PARTS}
    fits = [np.zeros(0, np.float32)]
    for start in range(0, len(pixels), _PICTURES_PER_CHUNK):
        chunk = pixels[start : start + _PICTURES_PER_CHUNK]
        best, fit = _best_geometries(chunk, geometries)
        fits.append(fit)
        for picture, geometry in zip(chunk, best, strict=True):
            for part, core in zip(PARTS, geometries.cores[geometry], strict=True):
                colors[part].append(_name(np.median(picture[core], axis=0)))
    return ColorJudgement(colors, np.concatenate(fits))


def named_share(
    shown: Mapping[str, Sequence[str]], named: Sequence[Mapping[str, str]]
) -> dict[str, float]:
    """Return per part the share of the pictures naming it that show the named colour.

    Args:
        shown: per part, one colour a picture (`judge_colors`).
        named: per picture the colours its caption names (`Caption.named`).
    Returns: a share in [0, 1] per part of `PARTS`; nan for a part that no picture names.
    """
    shares = {}
    for part in PARTS:
        hits = [colors[part] == shown[part][i] for i, colors in enumerate(named) if part in colors]
        shares[part] = float(np.mean(hits)) if hits else float("nan")
    return shares


def _best_geometries(pixels: np.ndarray, geometries: _Geometries) -> tuple[np.ndarray, np.ndarray]:
    """Return per picture the index of the geometry that explains most variance, and its fit."""
    centred = pixels.astype(np.float32) / 255
    centred -= centred.mean(axis=1, keepdims=True)
    total = np.square(centred).sum(axis=(1, 2))  # [N]
    bands = centred.reshape(len(pixels), _BANDS, -1, 3).mean(axis=2)
    by_bands = np.square(bands).sum(axis=(1, 2)) * (_SIDE**2 / _BANDS)
    sums = geometries.regions @ centred.transpose(1, 0, 2).reshape(_SIDE**2, -1)  # [G * R, N * 3]
    squares = np.square(sums).reshape(*geometries.counts.shape, len(pixels), 3).sum(axis=-1)
    explained = (squares / np.maximum(geometries.counts, 1)[..., None]).sum(axis=1)  # [G, N]
    fit = (explained.max(axis=0) - by_bands) / np.maximum(total - by_bands, 1e-6)
    return explained.argmax(axis=0), fit


@cache
def _geometries() -> _Geometries:
    regions, cores = [], []
    band = np.repeat(np.arange(_BANDS), _SIDE**2 // _BANDS)
    for pose, scale, x, y in product(POSES, _SCALES, _SHIFTS, _SHIFTS):
        place = np.array([0.5 + x, 0.5 + y])
        labels = _label_map(pose, scale, place, line_width=0)
        shares = np.stack([(labels == k).mean(axis=1) for k in range(len(PARTS) + 1)])
        winner = shares.argmax(axis=0)  # 0 = surroundings
        parts = [winner == k for k in range(1, len(PARTS) + 1)]
        regions.append(parts + [(winner == 0) & (band == k) for k in range(_BANDS)])
        inner = _label_map(pose, scale, place, line_width=2 * _OVERSAMPLING)
        cores.append([(inner == k).all(axis=1) for k in range(1, len(PARTS) + 1)])
    stacked = np.array(regions, np.float32)  # [G, R, pixels]
    return _Geometries(
        regions=stacked.reshape(-1, _SIDE**2), counts=stacked.sum(axis=-1), cores=np.array(cores)
    )


def _label_map(pose: str, scale: float, place: np.ndarray, line_width: int) -> np.ndarray:
    """Return labels uint8 [pixels, samples]: 0, 1 + index in `PARTS`, or `_LINE`.

    Lines of `line_width` > 0 take the part's margins away.
    """
    side = _SIDE * _OVERSAMPLING
    canvas = Image.new("L", (side, side))
    pen = ImageDraw.Draw(canvas)
    shapes = {
        name: (points * scale + place) * side
        for name, points in anatomy(pose, "short", "short").items()
    }

    def fill(name: str, label: int) -> None:
        pen.polygon(shapes[name].ravel().tolist(), fill=label)

    def outline(name: str) -> None:
        if line_width:
            closed = np.concatenate([shapes[name], shapes[name][:1]])
            pen.line(closed.ravel().tolist(), fill=_LINE, width=line_width)

    trunk = ("body", "neck", "head")
    for name in trunk:
        fill(name, 1)
    for name in trunk:
        outline(name)
    for name in ("belly", "wing", "crown"):
        fill(name, 1 + PARTS.index(name))
        outline(name)
    if line_width:
        pen.circle(shapes["eye"][0].tolist(), 0.06 * scale * side, fill=_LINE)
    samples = np.asarray(canvas).reshape(_SIDE, _OVERSAMPLING, _SIDE, _OVERSAMPLING)
    return samples.transpose(0, 2, 1, 3).reshape(_SIDE**2, -1)


@cache
def _palette() -> np.ndarray:
    return _to_lab(np.array(list(COLORS.values())))


def _name(rgb: np.ndarray) -> str:
    distances = np.linalg.norm(_palette() - _to_lab(rgb), axis=-1)
    return list(COLORS)[distances.argmin()]


def _to_lab(rgb: np.ndarray) -> np.ndarray:
    """Convert sRGB in 0..255 to CIELAB (white point D65)."""
    srgb = np.asarray(rgb, np.float64) / 255
    linear = np.where(srgb > 0.04045, ((srgb + 0.055) / 1.055) ** 2.4, srgb / 12.92)
    to_xyz = np.array([
        [0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505],
    ])  # fmt: skip
    xyz = linear @ to_xyz.T / to_xyz.sum(axis=1)
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)
