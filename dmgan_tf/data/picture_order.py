"""Which picture stands at which position of the endless stream of training."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from dmgan_tf.errors import UserError


def picture_order(
    class_ids: np.ndarray, seed: int, pictures_per_class: int = 1
) -> Callable[[tf.Tensor], tf.Tensor]:
    """A function from a position, int64 [], to the index of its picture, int32 [].

    An epoch shows every picture once, in another order than the last. With `pictures_per_class`
    above 1 it is an order of groups: different pictures of one class follow each other. The
    pictures of a class that fill no group are left out of the epoch, others in every epoch.

    Args: class_ids: int32 [N]. seed: int. pictures_per_class: int, at least 1.
    Raises: UserError: when a class has fewer pictures than a group.
    """
    if pictures_per_class == 1:
        return _single_pictures(len(class_ids), seed)
    check_class_sizes(class_ids, pictures_per_class)
    return _groups(class_ids, seed, pictures_per_class)


def check_class_sizes(class_ids: np.ndarray, pictures_per_class: int) -> None:
    """Raises UserError when a class has fewer pictures than a group."""
    smallest = np.unique(class_ids, return_counts=True)[1].min()
    if smallest < pictures_per_class:
        raise UserError(
            f"`damsm.pictures_per_class` is {pictures_per_class}, but the smallest class of the "
            f"data has only {smallest}. Set it to 1 for pictures without classes, or to a smaller "
            "number."
        )


def _shuffled(place, count, key):
    key, place = tf.cast(key, tf.int32), tf.cast(place, tf.int32)
    return tf.random.experimental.index_shuffle(place, key, count - 1)


def _single_pictures(count, seed):
    seed = tf.constant(seed, tf.int64)
    return lambda position: _shuffled(position % count, count, tf.stack([seed, position // count]))


def _groups(class_ids, seed, size):
    by_class = np.argsort(class_ids, kind="stable")
    _, firsts, counts = np.unique(class_ids[by_class], return_index=True, return_counts=True)
    groups = counts // size
    class_of = np.repeat(np.arange(len(groups)), groups)  # of each group
    place_of = size * np.concatenate([np.arange(n) for n in groups])  # of its first in its class
    total = len(class_of)
    by_class, firsts, counts, class_of, place_of = (
        tf.constant(array, tf.int32) for array in (by_class, firsts, counts, class_of, place_of)
    )
    seed = tf.constant(seed, tf.int64)

    def picture_at(position):
        key = tf.stack([seed, position // (total * size)])
        group = _shuffled(position // size % total, total, key)
        one = class_of[group]
        place = place_of[group] + tf.cast(position % size, tf.int32)
        key = tf.random.fold_in(key, tf.cast(one, tf.int64))  # another order in every class
        return by_class[firsts[one] + _shuffled(place, counts[one], key)]

    return picture_at
