"""The input pipeline: a pure function of seed and position, so that it resumes anywhere exactly.

`picture_order` says which picture is sample p of the endless stream; caption, crop, flip and noise
are drawn from a counter-based generator keyed by (seed, p). A batch is a run of positions, so
neither the number of workers and replicas nor a restart changes what is seen.
"""

import os
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import tensorflow as tf

from dmgan_tf.data.encoded_captions import encode_all
from dmgan_tf.data.picture_order import picture_order
from dmgan_tf.data.picture_set import PictureSet
from dmgan_tf.data.vocabulary import Vocabulary

_MOST_OPEN_FILES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineOptions:
    """What of a sample depends on the experiment.

    Attributes: sides: of the pictures, small to large. max_words: longer captions keep a random
        sorted subset. noise_size, condition_size: of the normal noise that comes with a sample;
        load_side_ratio, horizontal_flip: see DataConfig. dropout_size: of the uniform noise per
        word that decides on dropout; 0: none comes. augmentation_shape: of the uniform noise that
        decides on what networks see of pictures; (): none comes. pictures_per_class: see
        `picture_order`. seed: int.
    """

    sides: tuple[int, ...]
    max_words: int
    noise_size: int
    condition_size: int
    load_side_ratio: float = 1.0
    horizontal_flip: bool = False
    dropout_size: int = 0
    augmentation_shape: tuple[int, ...] = ()
    pictures_per_class: int = 1
    seed: int = 0


def training_dataset(
    pictures: PictureSet,
    vocabulary: Vocabulary,
    options: PipelineOptions,
    *,
    batch_size: int,
    first_step: int = 0,
    replicas: int = 1,
    workers: int = 1,
    worker: int = 0,
) -> tf.data.Dataset:
    """Endless batches from step `first_step` on, one replica's share each.

    The global batch of step s is positions [s·batch_size, (s+1)·batch_size). This worker takes its
    contiguous part of each, as one batch per local replica, in order.

    Args: batch_size: global. replicas: over all workers; divides `batch_size`.
    Returns: dataset of dicts as DMGANTrainer.train_step takes them.
    Raises: UserError: for a caption without known words, or a class with too few pictures.
    """
    share = batch_size // workers
    make = _sample_maker(pictures, vocabulary, options)

    def position(i):
        return (i // share) * batch_size + worker * share + i % share

    dataset = tf.data.Dataset.range(first_step * share, np.iinfo(np.int64).max)
    dataset = dataset.map(lambda i: make(position(i)), num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.batch(batch_size // replicas, drop_remainder=True).prefetch(tf.data.AUTOTUNE)


def read_pictures(
    pictures: PictureSet, indices: np.ndarray, side: int, load_side_ratio: float = 1.0
) -> np.ndarray:
    """The middle of the chosen pictures, at the scale of training: uint8 [N, side, side, 3].

    Args: indices: int [N]. side: of the result. load_side_ratio: see DataConfig.
    """
    load_side = round(side * load_side_ratio)
    images = pictures.images
    if images is not None:  # the chosen ones alone become a tensor, not all of them in every call
        images, indices = images[indices], np.arange(len(indices))
    read = _reader(images, pictures.records, load_side)
    found = []
    for i in indices:
        image = np.rint(read(i)).astype(np.uint8)
        top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
        found.append(image[top : top + side, left : left + side])
    return np.stack(found)


def _sample_maker(pictures, vocabulary, options):
    captions_of, words_of = _caption_table(pictures, vocabulary)
    class_ids = tf.constant(pictures.class_ids, tf.int32)
    load_side = round(options.sides[-1] * options.load_side_ratio)
    read = _reader(pictures.images, pictures.records, load_side)
    seed = tf.constant(options.seed, tf.int64)
    picture_at = picture_order(pictures.class_ids, options.seed, options.pictures_per_class)

    def make(position):
        picture = picture_at(position)
        # One key per use; a stream position never meets the same pair twice.
        keys = tf.random.split(tf.stack([seed, position]), 7)
        caption = _uniform_int(keys[0], captions_of(picture))
        words, length = _fit_words(*words_of(picture, caption), options.max_words, keys[1])
        dropout_shape = [options.max_words, options.dropout_size]
        dropout = tf.random.stateless_uniform(dropout_shape, keys[6])
        image = _augment(read(picture), options, keys[2], keys[3])
        sample = {
            "images": _all_sides(image, options.sides),
            "ids": words,
            "lengths": length,
            "class_ids": class_ids[picture],
            "noise": tf.random.stateless_normal([options.noise_size], keys[4]),
            "condition_noise": tf.random.stateless_normal([options.condition_size], keys[5]),
        }
        if options.dropout_size:
            sample["dropout_noise"] = dropout
        if options.augmentation_shape:
            key = tf.random.fold_in(keys[6], 1)
            shape = options.augmentation_shape
            sample["augmentation_noise"] = tf.random.stateless_uniform(shape, key)
        return sample

    return make


def _caption_table(pictures, vocabulary):
    """Functions from a picture to its number of captions, and on to the ids and length of one.

    Ids are padded to the longest caption's: int32 [T].
    """
    encoded = encode_all(pictures, vocabulary)
    longest = int(np.diff(encoded.ends).max())
    with tf.device("CPU:0"):
        ids, ends, firsts = map(tf.constant, encoded)

    def count(picture):
        return tf.cast(firsts[picture + 1] - firsts[picture], tf.int32)

    def words(picture, caption):
        place = firsts[picture] + tf.cast(caption, tf.int64)
        length = tf.cast(ends[place + 1] - ends[place], tf.int32)
        found = tf.pad(ids[ends[place] : ends[place + 1]], [[0, longest - length]])
        return tf.ensure_shape(found, [longest]), length

    return count, words


def _uniform_int(key, bound):
    return tf.random.stateless_uniform([], key, 0, bound, tf.int32)


def _fit_words(ids, length, max_words, key):
    """Keeps a random subset in its order where a caption is longer than `max_words`."""
    if ids.shape[0] <= max_words:
        padded = tf.pad(ids, [[0, max_words - ids.shape[0]]])
        return tf.ensure_shape(padded, [max_words]), length
    score = tf.random.stateless_uniform([ids.shape[0]], key)
    score = tf.where(tf.range(ids.shape[0]) < length, score, -1.0)
    score = tf.where(length > max_words, score, -tf.cast(tf.range(ids.shape[0]), tf.float32))
    chosen = tf.sort(tf.math.top_k(score, max_words).indices)
    return tf.gather(ids, chosen), tf.minimum(length, max_words)


def _reader(images, records, load_side):
    """A function from an index to a picture whose shorter side is `load_side`, float32 to 255.

    Pictures are `images` or, where that is None, in the files of `records`.
    """
    if images is not None:
        images = tf.constant(images)
        return lambda i: _resize(tf.cast(images[i], tf.float32), load_side)
    content_of = _bytes_reader(records)
    crops = tf.constant(records.crops)

    def read(i):
        content = tf.ensure_shape(tf.numpy_function(content_of, [i], tf.string, stateful=False), [])
        x, y, width, height = tf.unstack(crops[i])
        window = tf.stack([y, x, height, width])
        image = tf.cond(
            (width > 0) & tf.io.is_jpeg(content),
            lambda: tf.image.decode_and_crop_jpeg(content, window, 3),  # only what is wanted
            lambda: _cut(tf.io.decode_image(content, 3, expand_animations=False), window),
        )
        # The authors' way: the shorter side decides, the crop takes the rest.
        size = tf.cast(tf.shape(image)[:2], tf.float32)
        size = tf.cast(tf.round(size * (load_side / tf.reduce_min(size))), tf.int32)
        resized = tf.image.resize(image, size, antialias=True)
        return tf.ensure_shape(resized, [None, None, 3])

    return read


def _bytes_reader(records):
    """A function from an index to the bytes of its picture; reads of several threads don't mix."""

    # Fewer than a process may have open; a file that is put out is closed by its last reader.
    @lru_cache(_MOST_OPEN_FILES)
    def opened(name):
        if records.remote:
            records.remote.fetch(name)
        return open(name, "rb")

    def read(i):
        file = opened(records.files[records.file_of[i]])
        content = os.pread(file.fileno(), int(records.sizes[i]), int(records.offsets[i]))
        return np.array(content, object)

    return read


def _cut(image, window):
    y, x, height, width = tf.unstack(window)
    return tf.cond(width > 0, lambda: image[y : y + height, x : x + width], lambda: image)


def _resize(image, side):
    if image.shape[0] == side and image.shape[1] == side:
        return image
    return tf.ensure_shape(tf.image.resize(image, [side, side], antialias=True), [side, side, 3])


def _augment(image, options, crop_key, flip_key):
    side = options.sides[-1]
    if image.shape[0] != side:
        image = tf.image.stateless_random_crop(image, [side, side, 3], crop_key)
    if options.horizontal_flip:
        image = tf.image.stateless_random_flip_left_right(image, flip_key)
    return image


def _all_sides(image, sides):
    """The picture at each side, float32 in [−1, 1], small to large."""
    image = image / 127.5 - 1.0
    return tuple(_resize(image, side) for side in sides)
