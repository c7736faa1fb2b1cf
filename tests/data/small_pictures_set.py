"""Ten small pictures with captions, and the batches that the input pipeline makes of them."""

from itertools import islice

import numpy as np

from dmgan_tf.data.picture_set import PictureSet
from dmgan_tf.data.pipeline import PipelineOptions, training_dataset
from dmgan_tf.data.vocabulary import END, Vocabulary

COUNT, SIDE = 10, 16
WORDS = tuple("abcdefgh")
VOCABULARY = Vocabulary([END, *WORDS])
AUGMENTED = {"load_side_ratio": 1.25, "horizontal_flip": True, "augmentation_shape": (3, 2, 7)}


def pictures(captions=None, images=None):
    """Ten pictures of random smooth colours; the class of a picture is its place."""
    rng = np.random.default_rng(0)
    if images is None:
        coarse = rng.integers(0, 256, (COUNT, 4, 4, 3)).astype(np.uint8)
        images = coarse.repeat(4, axis=1).repeat(4, axis=2)
    if captions is None:
        captions = tuple(
            tuple(WORDS[: 1 + (i + j) % 4] for j in range(1 + i % 3)) for i in range(COUNT)
        )
        captions = tuple(tuple(" ".join(words) for words in row) for row in captions)
    return PictureSet(captions=captions, class_ids=np.arange(len(images)), images=images)


def options(**changes):
    values = {"sides": (8, SIDE), "max_words": 5, "noise_size": 3, "condition_size": 2, "seed": 4}
    return PipelineOptions(**values | changes)


def batches(count, batch_size=4, picture_set=None, changes=None, **arguments):
    """The first batches as a list of flat dicts of NumPy arrays."""
    dataset = training_dataset(
        pictures() if picture_set is None else picture_set,
        VOCABULARY,
        options(**changes or {}),
        batch_size=batch_size,
        **arguments,
    )
    flat = []
    for batch in islice(dataset.as_numpy_iterator(), count):
        batch = dict(batch)
        images = batch.pop("images")
        flat.append(batch | {f"images_{image.shape[1]}": image for image in images})
    return flat


def joined(parts):
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def assert_same(actual, expected):
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(actual[name], value, err_msg=name)


def differ(first, second, name):
    return not np.array_equal(joined(first)[name], joined(second)[name])
