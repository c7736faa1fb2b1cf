"""Groups of one class in the order of the pictures; single ones stand in `test_pipeline.py`."""

import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.data.picture_order import picture_order
from dmgan_tf.errors import UserError

CLASSES = np.array([3, 8, 3, 5, 3, 5, 8, 3, 5, 3])  # groups of two an epoch: 2 of 3, 1 of 5 and 8
EPOCHS = 20


def shown(class_ids, size, count, first=0, seed=0):
    """Pictures at `count` positions from `first` on: int [count]."""
    picture_at = picture_order(class_ids, seed, size)
    return np.array(
        [int(picture_at(tf.constant(p, tf.int64))) for p in range(first, first + count)]
    )


def test_groups_are_different_pictures_of_one_class_and_an_epoch_shows_none_twice():
    order = shown(CLASSES, 2, EPOCHS * 8)
    classes = CLASSES[order]
    np.testing.assert_array_equal(classes[::2], classes[1::2])
    for epoch in order.reshape(EPOCHS, 8):
        assert len(set(epoch)) == 8
        assert sorted(CLASSES[epoch]) == [3, 3, 3, 3, 5, 5, 8, 8]
    assert len({tuple(epoch) for epoch in classes.reshape(EPOCHS, 8)}) > 1


def test_pictures_that_fill_no_group_come_in_other_epochs():
    assert set(shown(CLASSES, 2, EPOCHS * 8)) == set(range(len(CLASSES)))


def test_classes_of_one_size_are_shuffled_apart():
    places = shown(np.repeat([0, 1, 2, 3], 8), 8, 32).reshape(4, 8) % 8
    assert len({tuple(row) for row in places}) > 1


def test_seed_alone_decides():
    one, other = (shown(CLASSES, 2, 16, seed=seed) for seed in (1, 2))
    assert not np.array_equal(one, other)
    np.testing.assert_array_equal(shown(CLASSES, 2, 6, first=10, seed=1), one[10:])


def test_class_of_fewer_pictures_than_a_group_is_refused_with_the_way_out():
    told = r"^`damsm\.pictures_per_class` is 3, but the smallest class .* only 2\. Set it to 1"
    with pytest.raises(UserError, match=told):
        picture_order(CLASSES, 0, 3)


def test_pictures_travel_through_all_of_ten_million():
    """A shuffle of all moves a picture a third of the way on average; one in a buffer, hardly."""
    count, taken = 10_000_000, 20_000
    picture_at = picture_order(np.zeros(count, np.int8), 0)

    def shown_at(places):
        return next(
            iter(tf.data.Dataset.from_tensor_slices(places).map(picture_at).batch(taken))
        ).numpy()

    places = tf.constant(np.linspace(0, count - 1, taken).astype(np.int64))
    pictures = shown_at(places)
    assert len(set(pictures.tolist())) == taken
    distance = np.abs(pictures.astype(np.int64) - places.numpy()) / count
    assert abs(distance.mean() - 1 / 3) < 0.006  # standard error 0.0017
    # Neighbours come from far apart, though nearer than in a full shuffle, 0.333: 0.304 here.
    run = shown_at(tf.range(taken, dtype=tf.int64))
    assert np.abs(np.diff(run / count)).mean() > 0.28
