"""The whole dynamic memory: the rows of Table 3, how it starts, and which words it reads."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_memory import (
    BATCH,
    CHANNELS,
    IDS,
    IMAGE,
    MASK,
    SIDE,
    SLOT_SIZE,
    WORD_COUNT,
    WORD_SIZE,
    WORDS,
    filled,
)

from dmgan_tf.layers.dynamic_memory import DynamicMemory

TABLE_3 = {
    "attention": (False, False, False),
    "baseline": (True, False, False, False),
    "memory": (True, False, False),
    "memory and writing gate": (True, True, False),
    "memory and response gate": (True, False, True),
    "all": (True, True, True),
}


def dynamic_memory(row="all"):
    return filled(DynamicMemory(CHANNELS, SLOT_SIZE, *TABLE_3[row]), WORDS, IMAGE, MASK)


def test_full_memory_writes_reads_and_responds():
    layer = dynamic_memory()
    response = layer(WORDS, IMAGE, MASK)
    memory, writing_gate = layer.writer(WORDS, IMAGE)
    output, attention = layer.reader(memory, IMAGE, MASK)
    blended, gate = layer.response(IMAGE, output)
    expected = (blended, attention, writing_gate, gate, output)
    for actual, reference in zip(response, expected, strict=True):
        np.testing.assert_allclose(actual, reference, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("row", ["attention", "baseline", "memory", "memory and writing gate"])
def test_without_response_gate_what_was_read_is_joined_with_the_picture(row):
    layer = dynamic_memory(row)
    response = layer(WORDS, IMAGE, MASK)
    memory = layer.writer(WORDS, IMAGE)[0] if layer.memory else WORDS
    output, _ = layer.reader(memory, IMAGE, MASK)
    expected = np.concatenate([output, IMAGE], -1)  # Eq. 6
    np.testing.assert_allclose(response.image_features, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(response.response_gate, np.ones((BATCH, SIDE, SIDE, 1)))


@pytest.mark.parametrize(
    ("row", "weights"),
    zip(TABLE_3, (1, 3, 6, 10, 8, 12), strict=True),
)
def test_rows_of_table_3_have_the_weights_that_they_need(row, weights):
    assert len(dynamic_memory(row).trainable_weights) == weights


@pytest.mark.parametrize("row", TABLE_3)
def test_gain_scales_the_kernels_that_write_and_read_and_nothing_else(row):
    layer = dynamic_memory(row)
    before = {weight.path: weight.numpy() for weight in layer.weights}
    layer.scale_kernels(3.0)
    scaled = ("word_to_memory", "image_to_memory", "memory_to_key", "memory_to_value")
    for weight in layer.weights:
        is_scaled = weight.path.endswith("kernel") and any(name in weight.path for name in scaled)
        factor = 3.0 if is_scaled else 1.0
        np.testing.assert_allclose(weight, factor * before[weight.path], rtol=1e-6)


def test_kernels_start_orthogonal_as_the_authors_start_them():
    layer = DynamicMemory(CHANNELS, SLOT_SIZE)
    layer(WORDS, IMAGE, MASK)
    kernels = [weight.numpy() for weight in layer.weights if weight.path.endswith("kernel")]
    assert len(kernels) == 7
    for kernel in kernels:
        short = kernel if kernel.shape[0] <= kernel.shape[1] else kernel.T
        np.testing.assert_allclose(short @ short.T, np.eye(len(short)), atol=1e-5)


def test_rows_of_table_3_differ_in_what_they_compute():
    results = [dynamic_memory(row)(WORDS, IMAGE, MASK).image_features for row in TABLE_3]
    for i, one in enumerate(results):
        for other in results[:i]:
            assert one.shape != other.shape or np.abs(one - other).max() > 0.1


@pytest.mark.parametrize("row", TABLE_3)
def test_words_behind_the_caption_change_nothing(row):
    layer = dynamic_memory(row)
    short = layer(WORDS, IMAGE, MASK)
    words = np.where(MASK[..., None], WORDS, 99.0)
    words = np.concatenate([words, np.full((BATCH, 3, WORD_SIZE), -7.0)], 1).astype("float32")
    mask = np.concatenate([MASK, np.zeros((BATCH, 3), bool)], 1)
    long = layer(words, IMAGE, mask)
    np.testing.assert_allclose(long.image_features, short.image_features, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(long.attention[..., :5], short.attention, rtol=1e-5, atol=1e-7)


def test_batch_mates_change_nothing():
    layer = dynamic_memory()
    together = layer(WORDS, IMAGE, MASK)
    for b in range(BATCH):
        alone = layer(WORDS[b : b + 1], IMAGE[b : b + 1], MASK[b : b + 1])
        for ours, all_of_them in zip(alone, together, strict=True):
            np.testing.assert_allclose(ours[0], all_of_them[b], rtol=1e-5, atol=1e-6)


def test_writing_gate_without_memory_is_refused():
    with pytest.raises(ValueError, match="Received: writing_gate=True, memory=False"):
        DynamicMemory(CHANNELS, SLOT_SIZE, memory=False)


# --- Keras' own masks --------------------------------------------------------------------------


@pytest.mark.parametrize("writing_gate", [False, True])
def test_mask_of_an_embedding_reaches_the_memory(writing_gate):
    embedding = keras.layers.Embedding(9, WORD_SIZE, mask_zero=True)
    layer = DynamicMemory(CHANNELS, SLOT_SIZE, writing_gate=writing_gate)
    words = embedding(IDS)
    expected = layer(tf.identity(words), IMAGE, MASK)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Keras warns where a mask is lost
        found = layer(words, IMAGE)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_mask_of_an_embedding_reaches_the_memory_in_a_functional_model():
    ids = keras.Input((WORD_COUNT,), dtype="int32")
    image = keras.Input((SIDE, SIDE, CHANNELS))
    embedding = keras.layers.Embedding(9, WORD_SIZE, mask_zero=True)
    response = DynamicMemory(CHANNELS, SLOT_SIZE)(embedding(ids), image)
    model = keras.Model([ids, image], response.attention)
    attention = model.predict([IDS, IMAGE], verbose=0)
    assert (attention[~np.broadcast_to(MASK[:, None], attention.shape)] == 0).all()
    assert (attention[np.broadcast_to(MASK[:, None], attention.shape)] > 0).all()


def test_without_any_mask_every_word_is_real():
    layer = filled(DynamicMemory(CHANNELS, SLOT_SIZE), WORDS, IMAGE)
    everyone = np.ones((BATCH, WORD_COUNT), bool)
    for ours, theirs in zip(layer(WORDS, IMAGE), layer(WORDS, IMAGE, everyone), strict=True):
        np.testing.assert_array_equal(ours, theirs)
