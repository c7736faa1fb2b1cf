"""R-precision: does a picture find its own caption among others (DM-GAN, Sec. 4; R = 1)."""

from typing import Literal

import numpy as np


def r_precision(
    image_codes: np.ndarray,
    sentence_features: np.ndarray,
    class_ids: np.ndarray | None = None,
    *,
    candidates: int = 100,
    folds: int = 10,
    seed: int = 0,
    negatives: Literal["other_classes", "random"] = "other_classes",
    drop_last_of_fold: bool = False,
) -> tuple[float, float]:
    """Share of pictures whose own caption is the nearest by cosine of `candidates` captions.

    Args: image_codes, sentence_features: float [N, C], row i of both belongs together.
        class_ids: int [N]; "random" needs none. candidates: captions to choose from, the own one
        among them, 2 or more. folds: the spread is that of the shares of this many equal parts.
        negatives: the wrong captions are drawn, with replacement, from those of other classes
        ("other_classes", as the authors' code does) or from all but the own one ("random", as the
        paper says). drop_last_of_fold: leave out each fold's last picture, as the authors' code
        does, to compare with their numbers.
    Returns: (mean over the folds, their standard deviation), in [0, 1].
    Raises: ValueError: with too few rows for the folds, or where there is only one class.
    """
    count, fewest = len(image_codes), 2 * folds if drop_last_of_fold else folds
    if candidates < 2:
        raise ValueError(f"`candidates` must be 2 or more. Received: {candidates}.")
    if count < fewest:
        needed = "as many" if fewest == folds else "twice as many"
        raise ValueError(f"{folds} folds need {needed} pictures. Received: {count}.")
    wrong = _wrong_captions(negatives, class_ids, count)
    images = image_codes / np.linalg.norm(image_codes, axis=1, keepdims=True)
    sentences = sentence_features / np.linalg.norm(sentence_features, axis=1, keepdims=True)
    rng = np.random.default_rng(seed)
    hits = np.empty(count)
    for i, (image, sentence) in enumerate(zip(images, sentences, strict=True)):
        others = rng.choice(wrong(i), candidates - 1)
        hits[i] = image @ sentence > (sentences[others] @ image).max()
    parts = np.array_split(hits, folds)
    shares = [(part[:-1] if drop_last_of_fold else part).mean() for part in parts]
    return float(np.mean(shares)), float(np.std(shares))


def _wrong_captions(negatives, class_ids, count):
    """A function from a picture's row to the rows of captions that may stand for a wrong one."""
    rows = np.arange(count)
    if negatives == "random":
        if count < 2:
            raise ValueError("The wrong captions are others' own, but there is only one picture.")
        return lambda i: np.delete(rows, i)
    if negatives != "other_classes":
        raise ValueError(
            f'`negatives` must be "other_classes" or "random". Received: {negatives!r}.'
        )
    if class_ids is None or len(class_ids) != count:
        raise ValueError(f'`class_ids` must be one per picture, {count}, for "other_classes".')
    class_ids = np.asarray(class_ids)
    if len(np.unique(class_ids)) < 2:
        raise ValueError("The wrong captions come from other classes, but there is only one class.")
    return lambda i: np.flatnonzero(class_ids != class_ids[i])
