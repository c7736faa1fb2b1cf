"""Noise from seeds: the documented algorithm, normal values, and rows that stand alone."""

import math

import numpy as np
import pytest
import scipy.stats

from dmgan_tf.inference.noise import seeded_noise

MASK = 2**32 - 1


def finalise(x):
    x ^= x >> 16
    x = x * 0x7FEB352D & MASK
    x ^= x >> 15
    x = x * 0x846CA68B & MASK
    return x ^ x >> 16


def oracle(seed, size):
    """The module's docstring once more, in Python's whole numbers."""
    seed %= 2**64  # two's complement
    low, high = seed & MASK, seed >> 32

    def bits(counter):
        return finalise(finalise(counter + 0x9E3779B9 * (low + 1) & MASK) ^ finalise(high))

    values = []
    for i in range(size):
        first, second = (bits(2 * i) + 1) / 2**32, bits(2 * i + 1) / 2**32
        values.append(math.sqrt(-2 * math.log(first)) * math.cos(2 * math.pi * second))
    return values


SEEDS = [0, 1, 17, -1, -(2**63), 2**32 - 1, 2**32, 2**63 - 1, 0x123456789ABCDEF]


@pytest.mark.parametrize("seed", SEEDS)
def test_noise_follows_the_documented_algorithm(seed):
    noise = seeded_noise([seed], 50)
    assert noise.dtype == np.float32
    np.testing.assert_allclose(noise[0], oracle(seed, 50), rtol=1e-5, atol=1e-6)


def test_first_values_of_seed_0_do_not_change_from_version_to_version():
    expected = [0.57173081, -0.58329856, 0.25124323, -0.69630023]
    np.testing.assert_allclose(seeded_noise([0], 4)[0], expected, rtol=1e-6)


def test_row_depends_on_its_own_seed_alone():
    together = seeded_noise(SEEDS, 20)
    for row, seed in zip(together, SEEDS, strict=True):
        np.testing.assert_array_equal(row, seeded_noise([seed], 20)[0])


def test_longer_noise_begins_with_the_shorter():
    np.testing.assert_array_equal(seeded_noise(SEEDS, 30)[:, :7], seeded_noise(SEEDS, 7))


def test_neighbouring_and_distant_seeds_share_no_noise():
    seeds = [*range(-50, 50), *(k << 32 for k in range(1, 50))]
    noise = seeded_noise(seeds, 32)
    assert len(np.unique(noise, axis=0)) == len(seeds)
    correlation = np.corrcoef(noise)[~np.eye(len(seeds), dtype=bool)]
    assert abs(correlation).max() < 6 / 32**0.5
    assert abs(correlation.std() - 32**-0.5) < 0.02


def test_values_are_standard_normal():
    noise = seeded_noise(range(500), 100).ravel().astype(float)
    assert abs(noise.mean()) < 4 / noise.size**0.5
    assert abs(noise.std() - 1) < 4 / (2 * noise.size) ** 0.5
    assert scipy.stats.kstest(noise, "norm").pvalue > 1e-3


def test_values_at_one_place_are_standard_normal_over_seeds():
    noise = seeded_noise(range(20_000), 3).astype(float)
    for column in noise.T:
        assert scipy.stats.kstest(column, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(noise.T)[~np.eye(3, dtype=bool)]).max() < 4 / 20_000**0.5


def test_values_are_always_finite():
    assert np.isfinite(seeded_noise(range(2000), 200)).all()


def test_no_seeds_give_no_rows():
    assert seeded_noise([], 5).shape == (0, 5)


@pytest.mark.parametrize("seed", [2**63, -(2**63) - 1])
def test_seed_beyond_64_bits_is_refused(seed):
    with pytest.raises(OverflowError):
        seeded_noise([seed], 3)
