"""Kernel distance: the unbiased estimate of plain loops, zero on average for one distribution."""

import itertools

import numpy as np
import pytest

from dmgan_tf.metrics.kernel_distance import kernel_distance


def normal(rows, columns=4, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, columns))


def oracle(x, y):
    """MMD² from every pair of rows, one after the other."""

    def kernel(a, b):
        return (sum(p * q for p, q in zip(a, b, strict=True)) / len(a) + 1) ** 3

    within = [np.mean([kernel(a, b) for a, b in itertools.permutations(z, 2)]) for z in (x, y)]
    return sum(within) - 2 * np.mean([kernel(a, b) for a in x for b in y])


def test_distance_of_whole_sets_is_that_of_plain_loops():
    x, y = normal(12), normal(12, seed=1) + 0.5
    mean, spread = kernel_distance(x, y, subsets=3, subset_size=12)
    assert mean == pytest.approx(oracle(x, y), rel=1e-12)
    assert spread < 1e-12 * mean  # the whole set each time, in another order


def test_mean_and_spread_are_those_of_the_drawn_subsets():
    x, y = normal(20), normal(30, seed=1) + 0.5
    rng = np.random.default_rng(5)
    values = []
    for _ in range(4):
        chosen = [z[rng.choice(len(z), 8, replace=False)] for z in (x, y)]
        values.append(oracle(*chosen))
    actual = kernel_distance(x, y, subsets=4, subset_size=8, seed=5)
    np.testing.assert_allclose(actual, (np.mean(values), np.std(values)), rtol=1e-12)


def test_two_sets_of_one_distribution_are_at_zero_on_average_and_below_it_as_well():
    distances = [
        kernel_distance(normal(50, seed=2 * i), normal(50, seed=2 * i + 1), subset_size=50)[0]
        for i in range(100)
    ]
    assert abs(np.mean(distances)) < 3 * np.std(distances) / len(distances) ** 0.5
    assert min(distances) < 0 < max(distances)


def test_distance_grows_with_the_shift():
    x, y = normal(200), normal(200, seed=1)
    distances = [kernel_distance(x, y + shift, subset_size=100)[0] for shift in (0, 1, 2)]
    assert abs(distances[0]) < distances[1] / 10 < distances[2] / 20


def test_seed_chooses_the_subsets():
    x, y = normal(50), normal(50, seed=1)
    scores = [kernel_distance(x, y, subset_size=10, seed=seed) for seed in (0, 0, 1)]
    assert scores[0] == scores[1] != scores[2]


def test_default_is_a_hundred_subsets_of_a_thousand():
    defaults = kernel_distance.__kwdefaults__
    assert (defaults["subsets"], defaults["subset_size"]) == (100, 1000)
    with pytest.raises(ValueError, match=r"here 999\. Received: 1000\."):
        kernel_distance(normal(1000), normal(999))


@pytest.mark.parametrize("subset_size", [1, 0, 31, 1000])
def test_subset_that_does_not_fit_is_refused_with_its_size(subset_size):
    with pytest.raises(
        ValueError, match=r"`subset_size` must lie between 2 and .* here 30"
    ) as caught:
        kernel_distance(normal(30), normal(40), subset_size=subset_size)
    assert str(caught.value).endswith(f"Received: {subset_size}.")


def test_sets_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"Received the shapes \(30, 4\) and \(30, 5\)\."):
        kernel_distance(normal(30), normal(30, 5), subset_size=10)
    with pytest.raises(ValueError, match=r"`subsets` must be 1 or more\. Received: 0\."):
        kernel_distance(normal(30), normal(30), subsets=0, subset_size=10)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_not_finite_are_refused(bad):
    x = normal(30)
    x[3, 1] = bad
    with pytest.raises(ValueError, match="must be finite"):
        kernel_distance(normal(30), x, subset_size=10)
