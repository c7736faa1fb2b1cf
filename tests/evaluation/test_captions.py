"""Which captions are drawn."""

import pytest

from dmgan_tf.errors import UserError
from dmgan_tf.evaluation.captions import places

CAPTIONS = (("a", "b"), ("c",), ("d", "e", "f"))


def texts(chosen):
    return [CAPTIONS[place.picture][place.caption] for place in chosen]


def test_every_picture_comes_before_one_comes_twice():
    chosen = places(CAPTIONS, 6, seed=5)
    assert sorted(place.picture for place in chosen[:3]) == [0, 1, 2]
    assert sorted(texts(chosen)) == list("abcdef")
    assert [place.seed for place in chosen] == [5, 6, 7, 8, 9, 10]


def test_all_captions_are_used_again_with_other_noise():
    chosen = places(CAPTIONS, 14, seed=0)
    assert texts(chosen[6:12]) == texts(chosen[:6])
    assert len({place.seed for place in chosen}) == 14


def test_fewer_are_the_first_of_more():
    assert places(CAPTIONS, 4, seed=1) == places(CAPTIONS, 9, seed=1)[:4]


def test_captions_that_training_has_seen_are_left_out():
    assert sorted(texts(places(CAPTIONS, 4, seed=0, seen={"c", "e"}))) == list("abdf")
    with pytest.raises(UserError, match="Every caption of the test split stands in the training"):
        places(CAPTIONS, 4, seed=0, seen=set("abcdef"))
