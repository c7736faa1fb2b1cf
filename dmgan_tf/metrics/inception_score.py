"""Inception score (Salimans et al., 2016, arXiv:1606.03498): sure of each picture, and of many."""

import itertools

import numpy as np


def inception_score(logits: np.ndarray, *, splits: int = 10) -> tuple[float, float]:
    """exp(mean over x of KL(p(y|x) ‖ p(y))) from a classifier's logits, in float64.

    The score of each of `splits` contiguous parts, i·N/splits rounded down the first of part i, as
    published scores are computed: shuffle pictures that lie in the order of their classes.

    Args: logits: float [N, K], before the softmax. splits: 1 to N.
    Returns: (mean over the parts, their standard deviation); a score lies between 1 and K.
    Raises: ValueError: when there are fewer rows than parts, or a value is no finite number.
    """
    logits = np.asarray(logits, np.float64)
    if logits.ndim != 2:
        raise ValueError(f"`logits` must be [N, K]. Received the shape {logits.shape}.")
    count = len(logits)
    if not 1 <= splits <= count:
        raise ValueError(
            f"`splits` must lie between 1 and the number of pictures, {count}. Received: {splits}."
        )
    if not np.isfinite(logits).all():
        raise ValueError("`logits` must be finite; at least one value is not.")
    log_p = logits - logits.max(axis=1, keepdims=True)
    log_p -= np.log(np.exp(log_p).sum(axis=1, keepdims=True))
    bounds = [i * count // splits for i in range(splits + 1)]
    parts = [log_p[start:end] for start, end in itertools.pairwise(bounds)]
    scores = [np.exp(_mean_divergence(part)) for part in parts]
    return float(np.mean(scores)), float(np.std(scores))


def _mean_divergence(log_p):
    """Mean over the rows of KL(p(y|x) ‖ p(y)), p(y) their mean; log_p: [N, K]."""
    p = np.exp(log_p)
    marginal = p.mean(axis=0)
    # Where a class has no probability at all it adds nothing: p·log p tends to 0.
    log_marginal = np.log(marginal, out=np.zeros_like(marginal), where=marginal > 0)
    return (p * (log_p - log_marginal)).sum(axis=1).mean()
