"""Does the background carry a grid of lines? Lines that real pictures do not have.

Power at short periods does not tell: leaves, grass and ripples have it too, and a network's lines
are not evenly spaced. But lines and grids are narrow in the *two-dimensional* spectrum of a
window, where texture is broad. So each frequency is compared with the ring of frequencies around
it. Upper and lower background are looked at apart: a network may draw lines in the grass and none
in the sky above it. Of the windows of each a low quantile counts, as lines that a network makes
are in all of them, while a horizon, a wire or a leaf is in a few.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from PIL import Image
from scipy import fft

from dmgan_tf.data.toy_birds.bird_cover import bird_cover
from dmgan_tf.data.toy_birds.working_images import check_images

_WINDOW = 16  # pixels, at any side of the picture: periods of a network are in its pixels
_STEPS = 16  # windows begin at multiples of side / _STEPS
_WINDOW_SHARE = 0.25  # the windows with the least bird, of each half
_QUANTILE = 0.1  # of these windows
_FLOOR = 1.0  # squared grey levels, added to all power: below it nothing is seen
_LONGEST_PERIOD = 6  # pixels; slow shading, as of a sky, reaches the windows' bins of 8 pixels
_RING = (2, 3)  # least and largest distance of the frequencies to compare with
_FEWEST = 10  # reference pictures of a kind
_PICTURES_PER_CHUNK = 128


@dataclass(frozen=True, slots=True)
class Hatching:
    """How far the strongest line or grid stands out: 1 as in the reference, and its period."""

    strength: float
    period_pixels: float


def background_spectra(images: np.ndarray) -> np.ndarray:
    """Return the logarithm of the power of each frequency in the background of each picture.

    Args:    images: uint8 [N, side, side, 3], side at least 16; below 32 both halves have nearly
        the same windows, with birds in them, and `hatching` sees nothing.
    Returns: float32 [N, 2, 16, 9]: upper and lower background, each in the layout of a real FFT of
        windows of 16 × 16 pixels.
    Raises:  ValueError: when `images` is not a batch of square uint8 pictures of such a side.
    """
    check_images(images)
    if images.shape[1] < _WINDOW:
        raise ValueError(
            f"`images` must have a side of at least {_WINDOW} pixels. "
            f"Received: side={images.shape[1]}."
        )
    spectra = [np.zeros((0, 2, _WINDOW, _WINDOW // 2 + 1), np.float32)]
    for start in range(0, len(images), _PICTURES_PER_CHUNK):
        chunk = images[start : start + _PICTURES_PER_CHUNK]
        halves = [_quantile_spectra(chunk, corners) for corners in _corners(images.shape[1])]
        spectra.append(np.stack(halves, axis=1))
    return np.concatenate(spectra)


def hatching(
    spectra: np.ndarray,
    kinds: Sequence[str],
    reference: np.ndarray,
    reference_kinds: Sequence[str],
) -> Hatching:
    """Compare the peaks in mean spectra of pictures with those of real ones of the same kinds.

    The strength is the largest ratio of peak to peak, over both halves and all frequencies of a
    period of 1.4 (diagonal) to 6 pixels (longer ones show at 5.3); a peak is the power over the
    median power of the ring around it.

    Args: spectra, reference: float [N, 2, 16, 9] and [M, 2, 16, 9] of `background_spectra`. kinds,
        reference_kinds: the surroundings that each shows, as judged. A kind that fewer than 10 of
        the reference show is compared with all of them.
    Raises: ValueError: when there are no pictures, or not a kind for each.
    """
    for some, their_kinds in ((spectra, kinds), (reference, reference_kinds)):
        if not 0 < len(some) == len(their_kinds):
            raise ValueError(
                "Pictures and references need spectra, and a kind for each. "
                f"Received: {len(some)} spectra, {len(their_kinds)} kinds."
            )
    means = {}
    for kind in set(kinds):
        alike = np.equal(reference_kinds, kind)
        few = alike.sum() < _FEWEST
        means[kind] = reference[... if few else alike].mean(axis=0, dtype=np.float64)
    real = np.mean([means[kind] for kind in kinds], axis=0)
    drawn = spectra.mean(axis=0, dtype=np.float64)
    excess = np.stack(
        [_peaks(half) - _peaks(other) for half, other in zip(drawn, real, strict=True)]
    )
    cycles = np.hypot(fft.fftfreq(_WINDOW)[:, None], fft.fftfreq(_WINDOW))
    excess[:, cycles < 1 / _LONGEST_PERIOD] = -np.inf
    _, *strongest = np.unravel_index(excess.argmax(), excess.shape)
    return Hatching(float(np.exp(excess.max())), float(1 / cycles[tuple(strongest)]))


def _peaks(half: np.ndarray) -> np.ndarray:
    """float [16, 9] → log power over that of the ring around each frequency, [16, 16]."""
    mirrored = np.roll(half[::-1], 1, axis=0)[:, -2:0:-1]  # P(−f) = P(f) of real pictures
    full = np.concatenate([half, mirrored], axis=1)
    # The spectrum repeats: around the shortest period, too, the ring is whole.
    ring = [np.roll(full, offset, axis=(0, 1)) for offset in _ring_offsets()]
    return full - np.median(ring, axis=0)


def _ring_offsets() -> list[tuple[int, int]]:
    nearest, farthest = _RING
    steps = range(-farthest, farthest + 1)
    return [(y, x) for y, x in product(steps, steps) if max(abs(y), abs(x)) >= nearest]


def _quantile_spectra(images: np.ndarray, corners: list[tuple[int, int]]) -> np.ndarray:
    power = np.stack(
        [_log_power(images[:, y : y + _WINDOW, x : x + _WINDOW]) for y, x in corners]
    )  # [windows, N, 16, 9]
    rank = int(_QUANTILE * len(corners))
    return np.partition(power, rank, axis=0)[rank]


def _log_power(windows: np.ndarray) -> np.ndarray:
    """uint8 [N, 16, 16, 3] → float32 [N, 16, 9], white noise of variance v having power v."""
    taper = np.hanning(_WINDOW + 2)[1:-1].astype(np.float32)
    taper2d = np.outer(taper, taper)
    taper2d /= np.sqrt(np.square(taper2d).sum())
    level = _without_slope(_without_slope(windows.astype(np.float32), axis=1), axis=2)
    waves = fft.rfft2(level * taper2d[..., None], axes=(1, 2))
    return np.log(np.square(np.abs(waves)).mean(axis=-1) + _FLOOR)


def _without_slope(windows: np.ndarray, axis: int) -> np.ndarray:
    """Remove mean and linear slope along an axis, as they leak into all frequencies."""
    ramp = np.arange(_WINDOW, dtype=np.float32) - (_WINDOW - 1) / 2
    ramp = ramp.reshape([-1 if i == axis else 1 for i in range(4)])
    windows = windows - windows.mean(axis=(1, 2), keepdims=True)
    slope = (windows * ramp).mean(axis=(1, 2), keepdims=True) / np.square(ramp).mean()
    return windows - slope * ramp


@cache
def _corners(side: int) -> tuple[list[tuple[int, int]], ...]:
    """Return the upper left corners of the windows that birds cover least, of each half."""
    cover = np.asarray(Image.fromarray(bird_cover()).resize((side, side)))
    last = side - _WINDOW
    starts = range(0, last + 1, max(1, side // _STEPS))

    def least_covered(rows):
        corners = list(product(rows, starts))
        covers = [cover[y : y + _WINDOW, x : x + _WINDOW].mean() for y, x in corners]
        count = max(1, round(_WINDOW_SHARE * len(corners)))
        return [corners[i] for i in np.argsort(covers, kind="stable")[:count]]

    upper = [y for y in starts if y <= last / 2]
    lower = [y for y in starts if y >= last / 2]
    return least_covered(upper), least_covered(lower)
