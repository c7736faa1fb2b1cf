"""Each metric over what the observers saw, with the protocol that makes it believable."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from dmgan_tf.errors import UserError
from dmgan_tf.metrics.frechet_distance import frechet_distance
from dmgan_tf.metrics.inception_score import inception_score
from dmgan_tf.metrics.kernel_distance import kernel_distance
from dmgan_tf.metrics.r_precision import r_precision
from dmgan_tf.metrics.running_statistics import RunningStatistics, Statistics

_ROWS = 4096  # of features, taken to float64 at once
INCEPTION_SPLITS = 10
FOLDS = 10
CANDIDATES = 100  # the default of `r_precision`

# What trained a generator is no judge of it.
OWN_JUDGE = (
    "the judge is the model's own encoders, which its training used: it is too good. Give others "
    "with --judge"
)
SAME_KIND = (
    "the model's training used an image encoder on the same network (`{}`), perhaps of the same "
    "weights: the score may be too good"
)

Value = float | dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A figure, the same of other pictures beside it, and how it came about.

    Attributes: name: unique in a report. value. spread: its standard deviation, where it has one.
        beside: of `real` and `blurred` pictures, and the spreads of these as `real_std`.
        protocol: plain values. notes: sentences on what a reader would otherwise get wrong.
    """

    name: str
    value: Value
    spread: float | None = None
    beside: dict[str, Value] = field(default_factory=dict)
    protocol: dict[str, object] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def streamed(features: np.ndarray) -> RunningStatistics:
    """Mean and covariance, in float64, of features that may lie on disk."""
    running = RunningStatistics()
    for start in range(0, len(features), _ROWS):
        running.add(features[start : start + _ROWS])
    return running


@contextmanager
def _told(name: str) -> Iterator[None]:
    """What a metric refuses, such as too few pictures, as a line for people."""
    try:
        yield
    except ValueError as error:
        raise UserError(f"{name}: {error}") from error


def fid(
    network: str,
    drawn: Statistics,
    reference: Statistics,
    real: np.ndarray,
    blurred: np.ndarray | None,
) -> Score:
    """Fréchet distance to the reference set.

    Beside it: of every other real picture to those between, and of the same blurred; half as many
    pictures make both rather too large.
    """
    name = f"fid_{network}"
    with _told(name):
        value = frechet_distance(drawn, reference)
        target = streamed(real[1::2]).result()
        of_real = frechet_distance(streamed(real[::2]).result(), target)
        beside: dict[str, Value] = {"real": of_real}
        if blurred is not None:
            beside["blurred"] = frechet_distance(streamed(blurred[::2]).result(), target)
    score = Score(name=name, value=value, beside=beside)
    if value < of_real:
        score.notes.append(
            "it is below that of real pictures, which is taken between two halves of the set, and "
            "fewer pictures make a distance larger. It does not mean better than real"
        )
    return score


def kid(
    network: str,
    drawn: np.ndarray,
    real: np.ndarray,
    blurred: np.ndarray | None,
    subset_size: int,
    seed: int,
) -> Score:
    """Kernel distance to the real pictures; beside it as in `fid`.

    Of half the real pictures a subset takes half again at most: subsets that are all of them would
    not differ, and so have no spread. The mean of an unbiased estimate is that of any size.
    """
    name = f"kid_{network}"
    beside_size = min(subset_size, max(2, len(real) // 4))
    beside: dict[str, Value] = {}
    with _told(name):
        value, spread = kernel_distance(drawn, real, subset_size=subset_size, seed=seed)
        for whose, features in (("real", real), ("blurred", blurred)):
            if features is not None:
                mean, deviation = kernel_distance(
                    features[::2], real[1::2], subset_size=beside_size, seed=seed
                )
                beside |= {whose: mean, f"{whose}_std": deviation}
    return Score(
        name=name,
        value=value,
        spread=spread,
        beside=beside,
        protocol={"subsets": 100, "subset_size": subset_size, "subset_size_beside": beside_size},
    )


def inception(network: str, drawn_logits: np.ndarray, real_logits: np.ndarray) -> Score:
    """Inception score, 10 splits."""
    name = f"is_{network}"
    with _told(name):
        value, spread = inception_score(drawn_logits, splits=INCEPTION_SPLITS)
        mean, deviation = inception_score(real_logits, splits=INCEPTION_SPLITS)
    beside: dict[str, Value] = {"real": mean, "real_std": deviation}
    return Score(
        name=name,
        value=value,
        spread=spread,
        beside=beside,
        protocol={"splits": INCEPTION_SPLITS, "classes": int(drawn_logits.shape[1])},
    )


def precision(
    drawn: np.ndarray,
    real: tuple[np.ndarray, np.ndarray] | None,
    sentences: np.ndarray,
    caption_rows: np.ndarray,
    class_ids: np.ndarray | None,
    **options,
) -> Score:
    """R-precision of pictures and of the real ones of the same captions.

    Args: drawn: codes [N, C]. real: codes [M, C], and int [N], which of them have the captions.
        sentences: features [K, C] of the different captions. caption_rows: int [N], of each
        picture's caption. class_ids: int [N], or None for `negatives="random"`. options: of
        `r_precision`.
    """
    beside: dict[str, Value] = {}
    options |= {"folds": FOLDS}
    about = {"class_ids": class_ids, "caption_rows": caption_rows, **options}
    with _told("r_precision"):
        value, spread = r_precision(drawn, sentences, **about)
        if real is not None:
            codes, rows = real
            mean, deviation = r_precision(codes, sentences, image_rows=rows, **about)
            beside = {"real": mean, "real_std": deviation}
    fewest = _fewest_wrong_captions(caption_rows, class_ids, options["negatives"])
    candidates = min(CANDIDATES, fewest + 1)
    protocol = {"candidates": candidates, **options}
    score = Score(name="r_precision", value=value, spread=spread, beside=beside, protocol=protocol)
    if candidates < CANDIDATES:
        score.notes.append(
            f"some pictures choose among {candidates} captions, not {CANDIDATES}: "
            "there are too few test pictures. It is too high and comparable with no other"
        )
    return score


def _fewest_wrong_captions(caption_rows, class_ids, negatives):
    """How many captions the wrong ones of a picture are drawn from, at the least."""
    own = _occurrences(caption_rows)
    if negatives != "random":
        own += _occurrences(class_ids) - _occurrences(np.stack([class_ids, caption_rows], axis=1))
    return len(caption_rows) - int(own.max())


def _occurrences(rows):
    """How often each row stands among all, int [N]."""
    _, places, counts = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    return counts[places.ravel()]
