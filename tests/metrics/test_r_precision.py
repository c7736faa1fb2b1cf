"""R-precision: chance where captions are ignored, certainty where they are matched."""

import math

import numpy as np
import pytest

from dmgan_tf.metrics.r_precision import r_precision


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def oracle(images, sentences, class_ids, candidates, folds, seed, dropped=0):
    """One picture and one caption after the other; the same draws of wrong captions.

    `class_ids` None: all other captions are wrong. dropped: pictures at each fold's end.
    """
    rng = np.random.default_rng(seed)
    class_ids = range(len(images)) if class_ids is None else class_ids
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
    parts = [hits[k * size : (k + 1) * size - dropped] for k in range(folds)]
    shares = [sum(part) / len(part) for part in parts]
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


@pytest.mark.parametrize("dropped", [0, 1])
@pytest.mark.parametrize("negatives", ["other_classes", "random"])
def test_other_protocols_equal_a_plain_loop_too(negatives, dropped):
    sentences = normal(60, 5)
    images, classes = sentences + 2 * normal(60, 5, seed=1), np.arange(60) // 20
    options = {"candidates": 10, "folds": 5, "seed": 3}
    protocol = {"negatives": negatives, "drop_last_of_fold": bool(dropped)}
    actual = r_precision(images, sentences, classes, **options, **protocol)
    wrong = None if negatives == "random" else classes
    expected = oracle(images, sentences, wrong, **options, dropped=dropped)
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


def test_pictures_and_captions_that_come_again_are_named_by_their_rows():
    images, sentences, classes = normal(9, 4), normal(7, 4, seed=1), np.arange(3000) % 7
    image_rows, caption_rows = np.arange(3000) % 9, np.arange(3000) % 7
    named = {"image_rows": image_rows, "caption_rows": caption_rows}
    written_out = r_precision(images[image_rows], sentences[caption_rows], classes, candidates=3)
    assert r_precision(images, sentences, classes, **named, candidates=3) == written_out
    assert 0 < written_out[0] < 1


@pytest.mark.parametrize("negatives", ["other_classes", "random"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_own_caption_of_another_picture_is_no_wrong_one(negatives, dtype):
    sentences, caption_rows = normal(7, 300).astype(dtype), np.arange(1000) % 7
    about = {"class_ids": np.arange(1000) % 5, "negatives": negatives}
    score = r_precision(sentences[caption_rows], sentences, caption_rows=caption_rows, **about)
    assert score == (1.0, 0.0)


def test_random_wrong_captions_need_no_classes_and_are_never_the_own_one():
    sentences = normal(200, 16)
    assert r_precision(3 * sentences, sentences, negatives="random") == (1.0, 0.0)


def test_random_wrong_captions_may_come_from_the_own_class():
    sentences = np.eye(4)[np.arange(40) % 4]  # captions of a class are all the same, and tie
    assert r_precision(sentences, sentences, np.arange(40) % 4, negatives="random")[0] < 0.2


def test_codes_that_ignore_captions_score_chance_against_random_ones_too():
    count = 4000
    score, _ = r_precision(normal(count, 16), normal(count, 16, seed=1), negatives="random")
    assert abs(score - 0.01) < 4 * (0.01 * 0.99 / count) ** 0.5


def test_last_picture_of_each_fold_is_dropped_on_request_only():
    sentences = normal(40, 16)
    images = sentences.copy()
    images[3::4] *= -1  # the last of each fold of four finds any caption but its own
    arguments = (images, sentences, np.arange(40))
    assert r_precision(*arguments) == (0.75, 0.0)
    assert r_precision(*arguments, drop_last_of_fold=True) == (1.0, 0.0)


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


def test_folds_whose_last_is_dropped_need_two_pictures():
    with pytest.raises(ValueError, match=r"10 folds need twice as many pictures\. Received: 19\."):
        r_precision(normal(19, 3), normal(19, 3), np.arange(19), drop_last_of_fold=True)


def test_unknown_protocol_and_missing_classes_are_refused():
    codes = normal(20, 3)
    with pytest.raises(ValueError, match=r'must be "other_classes" or "random".*: \'others\''):
        r_precision(codes, codes, np.arange(20), negatives="others")
    with pytest.raises(ValueError, match="`class_ids` must be one per picture, 20"):
        r_precision(codes, codes)
    with pytest.raises(ValueError, match="`class_ids` must be one per picture, 20"):
        r_precision(codes, codes, np.arange(19))


def test_single_candidate_and_single_picture_are_refused():
    codes = normal(20, 3)
    with pytest.raises(ValueError, match=r"`candidates` must be 2 or more\. Received: 1\."):
        r_precision(codes, codes, np.arange(20), candidates=1)
    with pytest.raises(ValueError, match="only one picture"):
        r_precision(codes[:1], codes[:1], negatives="random", folds=1)
