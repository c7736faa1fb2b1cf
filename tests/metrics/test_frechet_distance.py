"""Fréchet distance against SciPy's matrix root, and where its value is known."""

import numpy as np
import pytest
import scipy.linalg

from dmgan_tf.metrics.frechet_distance import frechet_distance, rank_warning, statistics


def features(rows, columns, seed=0):
    """Correlated normal features of another spread in every direction."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, columns)) @ rng.normal(size=(columns, columns)) + rng.normal(
        size=columns
    )


def oracle(first, second):
    """The formula as it stands, with the root of the product by Schur decomposition."""
    means = [x.mean(axis=0) for x in (first, second)]
    covariances = []
    for x, mean in zip((first, second), means, strict=True):
        covariance = np.zeros((x.shape[1], x.shape[1]))
        for row in x:
            covariance += np.outer(row - mean, row - mean)
        covariances.append(covariance / (len(x) - 1))
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    shift = means[0] - means[1]
    return shift @ shift + np.trace(covariances[0] + covariances[1] - 2 * root)


def distance(first, second):
    return frechet_distance(statistics(first), statistics(second))


@pytest.mark.parametrize("columns", [1, 3, 40])
def test_distance_of_a_set_to_itself_is_zero(columns):
    x = features(100, columns)
    assert abs(distance(x, x)) < 1e-8 * np.trace(np.atleast_2d(np.cov(x.T)))


@pytest.mark.parametrize(("rows", "columns"), [(50, 4), (6, 20)])
def test_distance_to_a_shifted_set_is_the_squared_shift(rows, columns):
    x, shift = features(rows, columns), np.linspace(-2, 3, columns)
    assert distance(x, x + shift) == pytest.approx(shift @ shift, rel=1e-6)


def test_distance_to_a_scaled_set_is_that_of_the_standard_deviations():
    x = features(100, 1)
    x -= x.mean()
    assert distance(x, 3 * x) == pytest.approx(4 * x.var(ddof=1), rel=1e-9)


@pytest.mark.parametrize("columns", [1, 2, 5, 16])
def test_distance_equals_the_formula_with_scipys_root(columns):
    x, y = features(60, columns), features(45, columns, seed=1)
    assert distance(x, y) == pytest.approx(oracle(x, y), rel=1e-6)


def test_distance_is_the_same_both_ways():
    x, y = features(60, 7), features(45, 7, seed=1)
    assert distance(x, y) == pytest.approx(distance(y, x), rel=1e-9)


def test_fewer_rows_than_columns_give_the_distance_of_the_space_that_they_span():
    x, y = features(60, 3), features(60, 3, seed=1)
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(50, 50)))[0][:3]  # 3 axes among 50
    assert distance(x @ turn, y @ turn) == pytest.approx(distance(x, y), rel=1e-6)
    # Four rows span three directions of 50.
    assert distance(x[:4] @ turn, y[:4] @ turn) == pytest.approx(distance(x[:4], y[:4]), rel=1e-6)


def test_constant_features_are_at_the_squared_distance_of_their_means():
    first, second = np.full((5, 3), 1.0), np.full((7, 3), -1.0)
    assert distance(first, second) == pytest.approx(12)


def test_float32_features_lose_nothing_to_a_large_mean():
    x = features(200, 4).astype(np.float32)
    shifted = (x + np.float32(4096)).astype(np.float64)
    expected = statistics(shifted)[1]
    np.testing.assert_allclose(statistics(shifted.astype(np.float32))[1], expected, rtol=1e-9)


def test_statistics_are_mean_and_unbiased_covariance():
    mean, covariance, rows = statistics(np.array([[1, 0], [3, 4], [5, 2]]))
    assert rows == 3
    np.testing.assert_allclose(mean, [3, 2])
    np.testing.assert_allclose(covariance, [[4, 2], [2, 4]])


@pytest.mark.parametrize("shape", [(1, 4), (0, 4), (4,), (2, 3, 4), ()])
def test_statistics_need_two_rows(shape):
    with pytest.raises(ValueError, match="`features` must have two rows or more") as caught:
        statistics(np.zeros(shape))
    assert str(shape) in str(caught.value)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_statistics_refuse_what_is_no_finite_number(bad):
    x = features(10, 3)
    x[4, 1] = bad
    with pytest.raises(ValueError, match="`features` must be finite"):
        statistics(x)


def test_sets_of_other_sizes_are_refused():
    with pytest.raises(ValueError, match=r"features of one size\. Received: 3 and 4 columns\."):
        distance(features(10, 3), features(10, 4))


@pytest.mark.parametrize("count", [2, 20])
def test_too_few_rows_for_the_covariances_rank_are_warned_of(count):
    warning = rank_warning(statistics(features(count, 20)))
    assert warning.startswith(f"{count} pictures give a covariance of rank {count - 1} at most")
    assert "in 20 dimensions" in warning
    assert "Take 21 or more" in warning


def test_enough_rows_and_an_unknown_number_are_not_warned_of():
    full = statistics(features(21, 20))
    assert np.linalg.matrix_rank(full.covariance) == 20
    assert rank_warning(full) is None
    assert rank_warning(full._replace(rows=None)) is None
