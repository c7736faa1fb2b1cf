"""Scores with what stands beside them."""

import numpy as np
import pytest

from dmgan_tf.evaluation.scores import kid


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
