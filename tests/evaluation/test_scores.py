"""Scores with what stands beside them."""

import numpy as np
import pytest

from dmgan_tf.errors import UserError
from dmgan_tf.evaluation.report import as_json, as_table
from dmgan_tf.evaluation.scores import fid, kid, precision, streamed


@pytest.mark.parametrize(("subset_size", "beside"), [(20, 20), (40, 40), (79, 40), (160, 40)])
def test_kernel_distance_of_real_pictures_has_a_spread_whatever_the_subsets(subset_size, beside):
    drawn, real, blurred = np.random.default_rng(0).normal([[[1]], [[0]], [[1]]], size=(3, 160, 4))
    score = kid("damsm", drawn, real, blurred, subset_size, seed=0)
    assert score.protocol["subset_size_beside"] == beside
    assert 0.01 < score.beside["real_std"] < 1
    assert abs(score.beside["real"]) < score.beside["blurred"] / 5
    assert 0.01 < score.beside["blurred_std"] < score.beside["blurred"]


def test_kernel_distance_of_a_handful_of_real_pictures():
    drawn, real = np.random.default_rng(0).normal(size=(2, 5, 4))
    score = kid("damsm", drawn, real, None, 5, seed=0)
    assert score.protocol["subset_size_beside"] == 2
    assert score.beside["real_std"] > 0


def precision_of(count, classes, negatives):
    drawn, sentences = np.random.default_rng(0).normal(size=(2, count, 4))
    options = {"negatives": negatives, "drop_last_of_fold": False, "seed": 0}
    rows = np.arange(count)
    class_ids = None if classes is None else rows % classes
    return precision(drawn, None, sentences, rows, class_ids, **options)


@pytest.mark.parametrize(
    ("count", "classes", "negatives", "candidates"),
    [
        (20, 20, "random", 20),
        (20, None, "random", 20),
        (20, 10, "other_classes", 19),
        (20, 4, "other_classes", 16),
        (110, 11, "other_classes", 100),
        (100, 4, "random", 100),
    ],
)
def test_r_precision_says_among_how_many_captions(count, classes, negatives, candidates):
    score = precision_of(count, classes, negatives)
    assert score.protocol["candidates"] == candidates
    told = f"r_precision: some pictures choose among {candidates} captions, not 100:"
    assert (told in as_table({}, [score])) == (candidates < 100)
    assert ("notes" in as_json({}, [score])["protocol"]["r_precision"]) == (candidates < 100)


@pytest.mark.parametrize(("shift", "told"), [(0.0, True), (1.0, False)])
def test_a_distance_below_that_of_real_pictures_is_explained(shift, told):
    real = np.random.default_rng(0).normal(size=(64, 8))
    drawn = streamed(real + shift).result()
    score = fid("damsm", drawn, streamed(real).result(), real, None)
    assert ("It does not mean better than real." in as_table({}, [score])) == told


@pytest.mark.parametrize(("negatives", "candidates"), [("random", 16), ("other_classes", 12)])
def test_captions_like_the_own_one_are_no_candidates(negatives, candidates):
    drawn, sentences = np.random.default_rng(0).normal(size=(2, 20, 4))
    rows, class_ids = np.arange(20) % 4, np.arange(20) // 5
    options = {"negatives": negatives, "drop_last_of_fold": False, "seed": 0}
    score = precision(drawn, None, sentences[:4], rows, class_ids, **options)
    assert score.protocol["candidates"] == candidates


def test_one_caption_for_all_pictures_is_refused():
    drawn, sentences = np.random.default_rng(0).normal(size=(2, 20, 4))
    options = {"negatives": "random", "drop_last_of_fold": False, "seed": 0}
    with pytest.raises(UserError, match="Picture 0 has no wrong caption"):
        precision(drawn, None, sentences[:1], np.zeros(20, int), None, **options)
