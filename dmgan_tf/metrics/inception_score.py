"""Inception score (Salimans et al., 2016, arXiv:1606.03498): sure of each picture, and of many."""

import itertools

import numpy as np

_BLOCK = 1024  # rows that are taken to float64 at once


def inception_score(logits: np.ndarray, *, splits: int = 10) -> tuple[float, float]:
    """exp(mean over x of KL(p(y|x) ‖ p(y))) from a classifier's logits, in float64.

    The score of each of `splits` contiguous parts, i·N/splits rounded down the first of part i, as
    published scores are computed: shuffle pictures that lie in the order of their classes.

    Args: logits: float [N, K], before the softmax; they may lie on disk. splits: 1 to N.
    Returns: (mean over the parts, their standard deviation); a score lies between 1 and K.
    Raises: ValueError: when there are fewer rows than parts, or a value is no finite number.
    """
    if logits.ndim != 2:
        raise ValueError(f"`logits` must be [N, K]. Received the shape {logits.shape}.")
    count = len(logits)
    if not 1 <= splits <= count:
        raise ValueError(
            f"`splits` must lie between 1 and the number of pictures, {count}. Received: {splits}."
        )
    bounds = [i * count // splits for i in range(splits + 1)]
    parts = [logits[start:end] for start, end in itertools.pairwise(bounds)]
    scores = [np.exp(_mean_divergence(part)) for part in parts]
    return float(np.mean(scores)), float(np.std(scores))


def _mean_divergence(logits):
    """Mean over the rows of KL(p(y|x) ‖ p(y)), p(y) their mean, in blocks of rows.

    It is the mean of Σ p(y|x)·log p(y|x), less Σ p(y)·log p(y).
    """
    marginal, certainty = np.zeros(logits.shape[1]), 0.0
    for start in range(0, len(logits), _BLOCK):
        rows = np.asarray(logits[start : start + _BLOCK], np.float64)
        if not np.isfinite(rows).all():
            raise ValueError("`logits` must be finite; at least one value is not.")
        log_p = rows - rows.max(axis=1, keepdims=True)
        log_p -= np.log(np.exp(log_p).sum(axis=1, keepdims=True))
        p = np.exp(log_p)
        marginal += p.sum(axis=0)
        certainty += (p * log_p).sum()
    marginal /= len(logits)
    # A class that has no probability at all adds nothing: p·log p tends to 0.
    log_marginal = np.log(marginal, out=np.zeros_like(marginal), where=marginal > 0)
    return certainty / len(logits) - (marginal * log_marginal).sum()
