"""Inception score: 1 where nothing is said, K where K classes are named for certain."""

import math

import numpy as np
import pytest

from dmgan_tf.metrics.inception_score import inception_score


def normal(rows, columns=5, seed=0):
    return 2 * np.random.default_rng(seed).normal(size=(rows, columns))


def oracle(logits, splits):
    """One picture and one class after the other."""
    scores = []
    for k in range(splits):
        part = logits[k * len(logits) // splits : (k + 1) * len(logits) // splits]
        p = [[math.exp(v) / sum(map(math.exp, row)) for v in row] for row in part]
        marginal = [sum(column) / len(p) for column in zip(*p, strict=True)]
        divergences = [
            sum(q * math.log(q / m) for q, m in zip(row, marginal, strict=True)) for row in p
        ]
        scores.append(math.exp(sum(divergences) / len(p)))
    return np.mean(scores), np.std(scores)


@pytest.mark.parametrize(("rows", "splits"), [(40, 10), (43, 10), (7, 7), (9, 1), (2500, 2)])
def test_score_and_spread_are_those_of_a_plain_loop(rows, splits):
    logits = normal(rows)
    expected = oracle(logits, splits)
    np.testing.assert_allclose(inception_score(logits, splits=splits), expected, rtol=1e-12)


def test_equal_logits_score_one():
    assert inception_score(np.full((50, 8), 3.0)) == pytest.approx((1, 0), abs=1e-12)


def test_same_logits_for_all_pictures_score_one():
    assert inception_score(np.tile(normal(1, 8), (50, 1))) == pytest.approx((1, 0), abs=1e-12)


@pytest.mark.parametrize("certain", [60.0, 1e4, 1e300])
def test_as_many_classes_named_for_certain_score_their_number(certain):
    logits = certain * np.eye(6)[np.arange(120) % 6]
    assert inception_score(logits) == pytest.approx((6, 0), abs=1e-9)


def test_constant_added_to_a_pictures_logits_changes_nothing():
    logits = normal(60)
    shifted = logits + 1e4 * np.arange(60)[:, np.newaxis]
    np.testing.assert_allclose(inception_score(shifted), inception_score(logits), rtol=1e-9)


def test_parts_are_contiguous():
    logits = 60.0 * np.eye(10)[np.repeat(np.arange(10), 5)]  # a class a part: no variety in any
    assert inception_score(logits, splits=10) == pytest.approx((1, 0), abs=1e-9)
    assert inception_score(logits, splits=1)[0] == pytest.approx(10)


@pytest.mark.parametrize("splits", [0, -1, 10])
def test_parts_that_do_not_fit_are_refused(splits):
    with pytest.raises(
        ValueError, match="must lie between 1 and the number of pictures, 9"
    ) as caught:
        inception_score(normal(9), splits=splits)
    assert str(caught.value).endswith(f"Received: {splits}.")


def test_what_are_no_logits_is_refused():
    with pytest.raises(ValueError, match=r"must be \[N, K\]\. Received the shape \(9,\)\."):
        inception_score(np.zeros(9))
    for bad in (np.nan, np.inf, -np.inf):
        logits = normal(20)
        logits[3, 1] = bad
        with pytest.raises(ValueError, match="`logits` must be finite"):
            inception_score(logits)
