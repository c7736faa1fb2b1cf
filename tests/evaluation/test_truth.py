"""Scores of toy_birds from what the judges saw."""

import numpy as np
import pytest

from dmgan_tf.data.toy_birds import SURROUNDINGS, background_spectra, birds, draw_all
from dmgan_tf.evaluation.observers import BackgroundObserver, BirdsObserver
from dmgan_tf.evaluation.truth import surroundings, truth_scores


@pytest.fixture(scope="module")
def flock():
    return birds("test", 2, seed=7)


@pytest.fixture(scope="module")
def images(flock):
    return draw_all(flock, 64, processes=1)


def look(images):
    return BirdsObserver()(images) | BackgroundObserver()(images)


def test_real_pictures_score_as_the_real_ones_beside_them(flock, images):
    rows = np.random.default_rng(0).permutation(len(flock))  # the captions are in another order
    drawn, real = look(images[rows]), look(images)
    scores = truth_scores(drawn, real, rows, [flock[row].captions[0] for row in rows])
    by_name = {score.name: score for score in scores}
    assert list(by_name) == [
        "color_share", "bird_fit", "surroundings_share", "surroundings_variety",
        "surroundings_kinds", "hatching",
    ]  # fmt: skip
    assert by_name["surroundings_share"].value >= 0.98
    assert by_name["surroundings_variety"].value > 5
    assert by_name["hatching"].value == pytest.approx(1)
    assert by_name["hatching"].beside["real"] < 2
    for name in ("color_share", "bird_fit", "surroundings_share", "surroundings_kinds"):
        assert by_name[name].value == pytest.approx(by_name[name].beside["real"], rel=1e-5)


def test_only_named_surroundings_are_asked_for_and_only_others_are_spread():
    named = ["sky", "sky", None, None, "sand", None, None]
    drawn = ["sky", "snow", "snow", "none", "none", "snow", "grass"]
    real = ["sky", "sky", "sky", "grass", "sand", "water", "snow"]
    share, spread, kinds = surroundings(drawn, real, named)
    assert share.value == pytest.approx(1 / 3) and share.beside["real"] == 1
    assert share.protocol["pictures"] == 3 and spread.protocol["pictures"] == 4
    assert spread.value == pytest.approx(3 / 2 ** (2 / 3))  # exp of the entropy of (2/3, 1/3)
    assert spread.beside["real"] == pytest.approx(4)
    assert kinds.value == {**dict.fromkeys(SURROUNDINGS, 0), "snow": 0.5, "grass": 0.25} | {
        "none": 0.25
    }


def test_captions_that_all_name_surroundings_leave_no_spread():
    share, spread, kinds = surroundings(["sky"], ["sky"], ["sky"])
    assert (share.value, spread.value, set(kinds.value.values())) == (1, 0, {0})
    share, *_ = surroundings(["sky"], ["sky"], [None])
    assert np.isnan(share.value)


def test_the_observer_of_the_background_keeps_kinds_and_spectra(flock, images):
    seen = BackgroundObserver()(images[:20])
    kinds = BackgroundObserver.kinds(seen["background"])
    assert kinds == [bird.surroundings for bird in flock[:20]]
    np.testing.assert_array_equal(seen["background.spectra"], background_spectra(images[:20]))
    assert all(array.dtype == np.float32 for array in seen.values())
