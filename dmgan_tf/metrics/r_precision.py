"""R-precision: does a picture find its own caption among others (DM-GAN, Sec. 4; R = 1)."""

from typing import Literal

import numpy as np

_BLOCK = 1024  # pictures whose codes are in memory


def r_precision(
    image_codes: np.ndarray,
    sentence_features: np.ndarray,
    class_ids: np.ndarray | None = None,
    *,
    image_rows: np.ndarray | None = None,
    caption_rows: np.ndarray | None = None,
    candidates: int = 100,
    folds: int = 10,
    seed: int = 0,
    negatives: Literal["other_classes", "random"] = "other_classes",
    drop_last_of_fold: bool = False,
) -> tuple[float, float]:
    """Share of pictures whose own caption is the nearest by cosine of `candidates` captions.

    Args: image_codes, sentence_features: float [N, C], row i of both belongs together; the first
        may lie on disk. class_ids: int [N]; "random" needs none. image_rows, caption_rows: int [N],
        the row in each of picture i and of its caption, where some come again. candidates: captions
        to choose from, the own one among them, 2 or more. folds: the spread is that of the shares
        of this many equal parts. negatives: the wrong captions are drawn, with replacement, from
        those of other classes ("other_classes", as the authors' code does) or from all but the own
        one ("random", as the paper says); one of the same row of `sentence_features` as the own is
        not wrong and is passed over. drop_last_of_fold: leave out each fold's last picture, as
        the authors' code does, to compare with their numbers.
    Returns: (mean over the folds, their standard deviation), in [0, 1].
    Raises: ValueError: with too few rows for the folds, or one class or caption alone.
    """
    if image_rows is None:
        image_rows = np.arange(len(image_codes))
    if caption_rows is None:
        caption_rows = np.arange(len(sentence_features))
    count, fewest = len(image_rows), 2 * folds if drop_last_of_fold else folds
    if candidates < 2:
        raise ValueError(f"`candidates` must be 2 or more. Received: {candidates}.")
    if count < fewest:
        needed = "as many" if fewest == folds else "twice as many"
        raise ValueError(f"{folds} folds need {needed} pictures. Received: {count}.")
    barred = _barred_captions(negatives, class_ids, count)
    sentences = _normalised(sentence_features)
    rng = np.random.default_rng(seed)
    hits = np.empty(count)
    for start in range(0, count, _BLOCK):
        images = _normalised(image_codes[image_rows[start : start + _BLOCK]])
        for i, image in enumerate(images, start):
            own = caption_rows[i]
            wrong = caption_rows[_draw(rng, count, barred(i), candidates - 1)]
            cosines = sentences[wrong[wrong != own]] @ image
            if not len(cosines):
                raise ValueError(
                    f"Picture {i} has no wrong caption: all that were drawn are its own."
                )
            hits[i] = image @ sentences[own] > cosines.max()
    parts = np.array_split(hits, folds)
    shares = [(part[:-1] if drop_last_of_fold else part).mean() for part in parts]
    return float(np.mean(shares)), float(np.std(shares))


def _normalised(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _draw(rng, count, barred, number):
    """So many of range(count), with replacement, but for the barred ones, which are in order."""
    free = rng.integers(0, count - len(barred), number)
    # As many are to be passed over as are barred among those before.
    return free + np.searchsorted(barred - np.arange(len(barred)), free, side="right")


def _barred_captions(negatives, class_ids, count):
    """A function from a picture to the pictures whose captions are no wrong ones for it."""
    if negatives == "random":
        if count < 2:
            raise ValueError("The wrong captions are others' own, but there is only one picture.")
        return lambda i: np.array([i])
    if negatives != "other_classes":
        raise ValueError(
            f'`negatives` must be "other_classes" or "random". Received: {negatives!r}.'
        )
    if class_ids is None or len(class_ids) != count:
        raise ValueError(f'`class_ids` must be one per picture, {count}, for "other_classes".')
    classes, class_ids = np.unique(class_ids, return_inverse=True)
    if len(classes) < 2:
        raise ValueError("The wrong captions come from other classes, but there is only one class.")
    order, sizes = np.argsort(class_ids, kind="stable"), np.bincount(class_ids)
    members = np.split(order, np.cumsum(sizes)[:-1])
    return lambda i: members[class_ids[i]]
