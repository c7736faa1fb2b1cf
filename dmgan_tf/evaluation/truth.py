"""Scores of toy_birds, where the truth about every picture is known. No network takes part."""

from collections.abc import Mapping, Sequence

import numpy as np

from dmgan_tf.data.toy_birds import NO_SURROUNDINGS, PARTS, Caption, named_share, variety
from dmgan_tf.data.toy_birds import hatching as measure_hatching
from dmgan_tf.evaluation.observers import (
    BACKGROUND,
    BIRDS,
    SPECTRA,
    BackgroundObserver,
    BirdsObserver,
)
from dmgan_tf.evaluation.scores import Score, Value


def truth_scores(
    drawn: Mapping[str, np.ndarray],
    real: Mapping[str, np.ndarray],
    rows: np.ndarray,
    captions: Sequence[Caption],
) -> list[Score]:
    """All scores of toy_birds.

    Args: drawn, real: what `BirdsObserver` and `BackgroundObserver` saw, by name. rows: int [N],
        the real picture of each drawn one. captions: N, of the drawn pictures.
    """
    mine, theirs = (BackgroundObserver.kinds(seen[BACKGROUND]) for seen in (drawn, real))
    return [
        *birds(drawn[BIRDS], real[BIRDS][rows], [caption.named for caption in captions]),
        *surroundings(
            mine, [theirs[row] for row in rows], [caption.surroundings for caption in captions]
        ),
        hatching((drawn[SPECTRA], mine), (real[SPECTRA], theirs)),
    ]


def birds(
    drawn: np.ndarray, real: np.ndarray, named: Sequence[Mapping[str, str]]
) -> tuple[Score, Score]:
    """Named colours that are shown, and how well the pictures are explained by a bird."""
    mine, theirs = (named_share(BirdsObserver.colors(seen), named) for seen in (drawn, real))
    fits = [float(seen[:, len(PARTS)].mean()) for seen in (drawn, real)]
    return (
        Score(name="color_share", value=mine, beside={"real": theirs}),
        Score(name="bird_fit", value=fits[0], beside={"real": fits[1]}),
    )


def surroundings(
    drawn: Sequence[str], real: Sequence[str], named: Sequence[str | None]
) -> tuple[Score, Score, Score]:
    """Named surroundings that are shown, and how those that nobody names are spread.

    Args: drawn, real: the judged kind of each picture, of the same captions. named: the kind that
        each caption names, or None.
    """
    asked = {"pictures": sum(kind is not None for kind in named)}
    free = {"pictures": sum(kind is None for kind in named)}
    shares = [_share(shown, named) for shown in (drawn, real)]
    chosen = [
        [kind for kind, name in zip(shown, named, strict=True) if name is None]
        for shown in (drawn, real)
    ]
    judged = free | {"showing_a_kind": sum(kind != NO_SURROUNDINGS for kind in chosen[0])}
    return (
        _score("surroundings_share", shares, asked),
        _score("surroundings_variety", [variety(kinds) for kinds in chosen], judged),
        _score("surroundings_kinds", [_shares_by_kind(kinds) for kinds in chosen], free),
    )


def hatching(
    drawn: tuple[np.ndarray, Sequence[str]], real: tuple[np.ndarray, Sequence[str]]
) -> Score:
    """How far lines and grids of the background stand out, relative to all real pictures.

    Beside it: of every other real picture, relative to those between.

    Args: drawn, real: spectra and the judged kind of each picture.
    """
    spectra, kinds = real
    mine = measure_hatching(*drawn, *real)
    theirs = measure_hatching(spectra[::2], kinds[::2], spectra[1::2], kinds[1::2])
    protocol = {
        "period_pixels": mine.period_pixels,
        "reference": f"{len(kinds)} real pictures, each kind as often as it is drawn",
    }
    return _score("hatching", [mine.strength, theirs.strength], protocol)


def _share(shown: Sequence[str], named: Sequence[str | None]) -> float:
    hits = [kind == name for kind, name in zip(shown, named, strict=True) if name is not None]
    return float(np.mean(hits)) if hits else float("nan")


def _shares_by_kind(kinds: Sequence[str]) -> dict[str, float]:
    return {kind: kinds.count(kind) / max(len(kinds), 1) for kind in BackgroundObserver.KINDS}


def _score(name: str, values: Sequence[Value], protocol: Mapping[str, object]) -> Score:
    """A score of drawn pictures, and of real ones beside it."""
    mine, theirs = values
    return Score(name=name, value=mine, beside={"real": theirs}, protocol=dict(protocol))
