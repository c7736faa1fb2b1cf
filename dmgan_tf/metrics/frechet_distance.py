"""Fréchet distance of two sets of features, each taken for a Gaussian (Heusel et al., 2017)."""

import numpy as np

from dmgan_tf.metrics.running_statistics import RunningStatistics, Statistics


def statistics(features: np.ndarray) -> Statistics:
    """Mean [C] and unbiased covariance [C, C] of features [N, C], in float64.

    Raises: ValueError: with fewer than two rows, or a value that is no finite number.
    """
    features = np.asarray(features)
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(
            f"`features` must have two rows or more. Received an array of shape {features.shape}."
        )
    running = RunningStatistics()
    running.add(features)
    return running.result()


def frechet_distance(first: Statistics, second: Statistics) -> float:
    """‖μ1 − μ2‖² + tr(Σ1 + Σ2 − 2 (Σ1 Σ2)^½) from the `statistics` of two sets.

    The trace of the root is that of the symmetric (Σ1^½ Σ2 Σ1^½)^½, from its eigenvalues: real
    whatever the rank.

    Raises: ValueError: when the two have features of different sizes.
    """
    (mean_1, covariance_1, *_), (mean_2, covariance_2, *_) = first, second
    if mean_1.shape != mean_2.shape:
        raise ValueError(
            "Both sets must have features of one size. "
            f"Received: {len(mean_1)} and {len(mean_2)} columns."
        )
    values, vectors = np.linalg.eigh(covariance_1)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    inner = np.linalg.eigvalsh(root @ covariance_2 @ root)
    trace_of_root = np.sqrt(np.maximum(inner, 0.0)).sum()
    shift = np.sum((mean_1 - mean_2) ** 2)
    return float(shift + np.trace(covariance_1) + np.trace(covariance_2) - 2.0 * trace_of_root)


def rank_warning(of: Statistics) -> str | None:
    """What to tell people where the rows are too few for a covariance of full rank, else None."""
    dimensions = len(of.mean)
    if of.rows is None or of.rows > dimensions:
        return None
    return (
        f"{of.rows} pictures give a covariance of rank {of.rows - 1} at most, in {dimensions} "
        f"dimensions: the Fréchet distance is biased upwards. Take {dimensions + 1} or more, many "
        "more for scores to be compared, or the kernel distance, which has no such bias."
    )
