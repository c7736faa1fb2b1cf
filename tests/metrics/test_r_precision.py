"""R-precision: chance where captions are ignored, certainty where they are matched."""

import math

import numpy as np
import pytest

from dmgan_tf.metrics.r_precision import r_precision


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def oracle(images, sentences, class_ids, candidates, folds, seed):
    """One picture and one caption after the other; the same draws of wrong captions."""
    rng = np.random.default_rng(seed)
    hits = []
    for i in range(len(images)):
        strangers = [j for j in range(len(images)) if class_ids[j] != class_ids[i]]
        best, own = -math.inf, None
        for j in [i, *rng.choice(strangers, candidates - 1)]:
            lengths = math.sqrt(sum(v * v for v in images[i]) * sum(v * v for v in sentences[j]))
            cosine = sum(a * b for a, b in zip(images[i], sentences[j], strict=True)) / lengths
            own = cosine if own is None else own
            best = max(best, cosine) if j != i else best
        hits.append(own > best)
    size = len(hits) // folds
    shares = [sum(hits[k * size : (k + 1) * size]) / size for k in range(folds)]
    mean = sum(shares) / folds
    return mean, math.sqrt(sum((share - mean) ** 2 for share in shares) / folds)


def test_codes_that_ignore_captions_score_one_in_a_hundred():
    count = 4000
    score, _ = r_precision(normal(count, 16), normal(count, 16, seed=1), np.arange(count))
    assert abs(score - 0.01) < 4 * (0.01 * 0.99 / count) ** 0.5


def test_one_code_for_all_pictures_scores_chance_too():
    count = 4000
    same = np.ones((count, 16)) + 1e-6 * normal(count, 16)
    score, _ = r_precision(same, normal(count, 16, seed=1), np.arange(count))
    assert score < 0.02


def test_codes_that_lie_at_their_own_captions_score_one():
    sentences = normal(200, 16)
    assert r_precision(3 * sentences, sentences, np.arange(200)) == (1.0, 0.0)


def test_codes_that_lie_opposite_their_own_captions_score_nothing():
    sentences = normal(200, 16)
    assert r_precision(-sentences, sentences, np.arange(200)) == (0.0, 0.0)


def test_length_of_the_vectors_does_not_matter():
    images, sentences, classes = normal(100, 4), normal(100, 4, seed=1), np.arange(100)
    images += sentences
    lengths = np.exp(normal(100, 1, seed=2))
    scaled = r_precision(images * lengths, sentences * lengths[::-1], classes)
    assert scaled == r_precision(images, sentences, classes)
    assert 0 < scaled[0] < 1


@pytest.mark.parametrize("candidates", [2, 10])
def test_score_and_spread_equal_those_of_a_plain_loop(candidates):
    sentences = normal(60, 5)
    images, classes = sentences + 2 * normal(60, 5, seed=1), np.arange(60) // 4
    actual = r_precision(images, sentences, classes, candidates=candidates, folds=5, seed=3)
    expected = oracle(images, sentences, classes, candidates, 5, 3)
    np.testing.assert_allclose(actual, expected, rtol=1e-12)
    assert actual[1] > 0


def test_wrong_captions_never_come_from_the_pictures_own_class():
    # Captions of a class are all the same: one of them among the wrong ones would tie, and lose.
    sentences = np.eye(4)[np.arange(40) % 4]
    assert r_precision(sentences, sentences, np.arange(40) % 4)[0] == 1


def test_a_tie_with_a_wrong_caption_is_no_hit():
    same = np.ones((40, 3))
    assert r_precision(same, same, np.arange(40))[0] == 0


def test_seed_chooses_the_wrong_captions():
    arguments = (normal(300, 4), normal(300, 4, seed=1), np.arange(300))
    scores = [r_precision(*arguments, candidates=3, seed=seed) for seed in (0, 0, 1)]
    assert scores[0] == scores[1] != scores[2]


def test_fewer_pictures_than_folds_are_refused():
    with pytest.raises(ValueError, match=r"10 folds need as many pictures\. Received: 9\."):
        r_precision(normal(9, 3), normal(9, 3), np.arange(9))


def test_a_single_class_is_refused():
    with pytest.raises(ValueError, match="wrong captions come from other classes"):
        r_precision(normal(20, 3), normal(20, 3), np.zeros(20))
