"""Words, a picture, a memory, and steps of the dynamic memory with weights of their own."""

import numpy as np

from dmgan_tf.layers.memory_steps import MemoryReader, MemoryWriter

BATCH, WORD_COUNT, WORD_SIZE, SIDE, CHANNELS, SLOT_SIZE = 3, 5, 6, 4, 4, 7
LENGTHS = np.array([5, 2, 3])
MASK = np.arange(WORD_COUNT)[None] < LENGTHS[:, None]
IDS = np.array([[4, 2, 7, 1, 3], [5, 6, 0, 0, 0], [1, 1, 8, 0, 0]])  # of the words, 0: padding


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


WORDS = normal(BATCH, WORD_COUNT, WORD_SIZE)
IMAGE = normal(BATCH, SIDE, SIDE, CHANNELS, seed=1)
MEMORY = normal(BATCH, WORD_COUNT, SLOT_SIZE, seed=2)


def filled(layer, *inputs):
    """The layer, built, with normal weights, biases included."""
    layer(*inputs)
    for seed, weight in enumerate(layer.weights, start=10):
        weight.assign(normal(*weight.shape, seed=seed))
    return layer


def writer(**kwargs):
    return filled(MemoryWriter(SLOT_SIZE, **kwargs), WORDS, IMAGE)


def reader(**kwargs):
    return filled(MemoryReader(CHANNELS, **kwargs), MEMORY, IMAGE, MASK)
