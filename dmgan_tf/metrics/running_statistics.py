"""Mean and covariance of features that come in batches; what a Fréchet distance is made of.

Two parts a, b of n_a, n_b rows are joined by (Chan, Golub and LeVeque, 1979)
    δ = mean_b − mean_a,  mean = mean_a + δ·n_b/n,  S = S_a + S_b + δδᵀ·n_a·n_b/n,
where S sums the outer products of the deviations; unlike a sum of squares, S keeps its digits
where the mean is large. The covariance is S/(n − 1).
"""

import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dmgan_tf.errors import UserError
from dmgan_tf.whole_file import whole_file


class Statistics(NamedTuple):
    """Mean float64 [C] and unbiased covariance float64 [C, C] of so many rows, None = unknown."""

    mean: np.ndarray
    covariance: np.ndarray
    rows: int | None


class RunningStatistics:
    """Statistics of all rows added so far, whatever their batches and their order.

    Attributes: count: int, rows added. mean: float64 [C]. covariance: float64 [C, C], unbiased.
    """

    def __init__(self):
        self.count = 0
        self._mean = np.zeros(0)
        self._scatter = np.zeros((0, 0))

    def add(self, features: np.ndarray) -> None:
        """Adds rows of features, float [B, C].

        Raises: ValueError: when they are of another size than those before, or not finite.
        """
        features = np.asarray(features, np.float64)
        if features.ndim != 2:
            raise ValueError(f"`features` must be [B, C]. Received the shape {features.shape}.")
        bad = ~np.isfinite(features).all(axis=1)
        if bad.any():
            row = self.count + int(bad.argmax())
            raise ValueError(f"`features` must be finite; row {row}, counted from 0, is not.")
        if len(features):
            mean = features.mean(axis=0)
            deviations = features - mean
            self._join(len(features), mean, deviations.T @ deviations)

    def _join(self, count, mean, scatter):
        if not self.count:
            self.count, self._mean, self._scatter = count, mean.copy(), scatter.copy()
            return
        if mean.shape != self._mean.shape:
            raise ValueError(
                f"`features` must have {len(self._mean)} columns, as those before. "
                f"Received: {len(mean)}."
            )
        total = self.count + count
        shift = mean - self._mean
        self._mean += shift * (count / total)
        self._scatter += scatter + np.outer(shift, shift) * (self.count * count / total)
        self.count = total

    @property
    def mean(self) -> np.ndarray:
        self._check()
        return self._mean.copy()

    @property
    def covariance(self) -> np.ndarray:
        self._check()
        return self._scatter / (self.count - 1)

    def result(self) -> Statistics:
        """What was added, as `frechet_distance` takes it.

        Raises: ValueError: with fewer than two rows, as `mean`, `covariance` and `save` do.
        """
        return Statistics(self.mean, self.covariance, self.count)

    def _check(self):
        if self.count < 2:
            raise ValueError(f"Mean and covariance need two rows or more. Received: {self.count}.")

    def save(self, path: Path) -> None:
        """Writes `mu`, `sigma` (the names that everybody uses) and `count` to a .npz file.

        Raises: UserError: when it can't be written there.
        """
        mean, covariance, _ = self.result()
        # A name alone would get another ending.
        with whole_file(path) as partial, partial.open("wb") as file:
            np.savez(file, mu=mean, sigma=covariance, count=np.int64(self.count))


def load_statistics(path: Path) -> Statistics:
    """Reads what `save` or another project wrote: `mu`, `sigma` and, where it is there, `count`.

    Raises: UserError: when the file is damaged, lacks one of them, or they don't fit together.
    """
    damaged = UserError(f"{path}: is no whole .npz file of plain arrays.")
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in ("mu", "sigma", "count") if name in file.files}
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}.") from error
    except (ValueError, AttributeError, EOFError, TypeError, zipfile.BadZipFile, zlib.error):
        raise damaged from None
    # NumPy gives what is no array in the archive as its bytes.
    if not all(isinstance(array, np.ndarray) for array in found.values()):
        raise damaged
    missing = [name for name in ("mu", "sigma") if name not in found]
    if missing:
        raise UserError(f"{path}: lacks {' and '.join(map(repr, missing))}.")
    mean, covariance, count = found["mu"], found["sigma"], found.get("count")
    if mean.ndim != 1 or not mean.size or covariance.shape != 2 * mean.shape:
        raise UserError(
            f"{path}: `mu` must be [C] and `sigma` [C, C]. "
            f"Received: {list(mean.shape)} and {list(covariance.shape)}."
        )
    if any(
        array.dtype.kind not in "fiu" or not np.isfinite(array).all() for array in found.values()
    ):
        raise UserError(f"{path}: holds values that are no finite numbers.")
    if count is not None and (count.shape or count.dtype.kind == "f" or count < 2):
        raise UserError(f"{path}: `count` must be one whole number, 2 or more. Received: {count}.")
    return Statistics(
        mean.astype(np.float64),
        covariance.astype(np.float64),
        None if count is None else int(count),
    )
