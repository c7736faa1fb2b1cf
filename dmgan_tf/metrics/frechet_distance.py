"""Fréchet distance of two sets of features, each taken for a Gaussian (Heusel et al., 2017)."""

import numpy as np


def statistics(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean [C] and unbiased covariance [C, C] of features [N, C], in float64.

    Raises: ValueError: with fewer than two rows, or a value that is no finite number.
    """
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(
            f"`features` must have two rows or more. Received an array of shape {features.shape}."
        )
    if not np.isfinite(features).all():
        raise ValueError("`features` must be finite; at least one value is not.")
    return features.mean(axis=0), np.cov(features, rowvar=False).reshape(2 * features.shape[1:])


def frechet_distance(first, second) -> float:
    """‖μ1 − μ2‖² + tr(Σ1 + Σ2 − 2 (Σ1 Σ2)^½) from the `statistics` of two sets.

    The trace of the root is that of the symmetric (Σ1^½ Σ2 Σ1^½)^½, from its eigenvalues: real
    whatever the rank.
    """
    (mean_1, covariance_1), (mean_2, covariance_2) = first, second
    values, vectors = np.linalg.eigh(covariance_1)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    inner = np.linalg.eigvalsh(root @ covariance_2 @ root)
    trace_of_root = np.sqrt(np.maximum(inner, 0.0)).sum()
    shift = np.sum((mean_1 - mean_2) ** 2)
    return float(shift + np.trace(covariance_1) + np.trace(covariance_2) - 2.0 * trace_of_root)
