"""R-precision: does a picture find its own caption among others (DM-GAN, Sec. 4; R = 1)."""

import numpy as np


def r_precision(
    image_codes: np.ndarray,
    sentence_features: np.ndarray,
    class_ids: np.ndarray,
    *,
    candidates: int = 100,
    folds: int = 10,
    seed: int = 0,
) -> tuple[float, float]:
    """Share of pictures whose own caption is the nearest by cosine of `candidates` captions.

    The others are drawn, with replacement, from captions of other classes, as the authors do.

    Args: image_codes, sentence_features: float [N, C], row i of both belongs together.
        class_ids: int [N]. folds: the spread is that of the shares of this many equal parts.
    Returns: (mean over the folds, their standard deviation), in [0, 1].
    Raises: ValueError: with fewer rows than folds, or where there is only one class.
    """
    class_ids = np.asarray(class_ids)
    if len(image_codes) < folds:
        raise ValueError(f"{folds} folds need as many pictures. Received: {len(image_codes)}.")
    if len(np.unique(class_ids)) < 2:
        raise ValueError("The wrong captions come from other classes, but there is only one class.")
    images = image_codes / np.linalg.norm(image_codes, axis=1, keepdims=True)
    sentences = sentence_features / np.linalg.norm(sentence_features, axis=1, keepdims=True)
    rng = np.random.default_rng(seed)
    hits = np.empty(len(images))
    for i, (image, class_id) in enumerate(zip(images, class_ids, strict=True)):
        others = rng.choice(np.flatnonzero(class_ids != class_id), candidates - 1)
        hits[i] = image @ sentences[i] > (sentences[others] @ image).max()
    shares = [part.mean() for part in np.array_split(hits, folds)]
    return float(np.mean(shares)), float(np.std(shares))
