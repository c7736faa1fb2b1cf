"""Dynamic memory: an oracle per equation, masking, gates at 0 and 1, and the ablation switches."""

import warnings

import keras
import numpy as np
import oracles
import pytest
import tensorflow as tf

from dmgan_tf.layers.dynamic_memory import DynamicMemory
from dmgan_tf.layers.memory_steps import MemoryReader, MemoryWriter, ResponseGate

BATCH, WORD_COUNT, WORD_SIZE, SIDE, CHANNELS, SLOT_SIZE = 3, 5, 6, 4, 4, 7
LENGTHS = np.array([5, 2, 3])
MASK = np.arange(WORD_COUNT)[None] < LENGTHS[:, None]
TABLE_3 = {
    "attention": (False, False, False),
    "baseline": (True, False, False, False),
    "memory": (True, False, False),
    "memory and writing gate": (True, True, False),
    "memory and response gate": (True, False, True),
    "all": (True, True, True),
}


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


def weights_of(layer):
    """The writer's weights as the oracle names them."""
    pairs = ("word_to_memory", "image_to_memory")
    weights = {name: [w.numpy() for w in getattr(layer, name).weights] for name in pairs}
    gates = ("word_to_gate", "image_to_gate")
    return weights | {name: getattr(layer, name).kernel.numpy() for name in gates}


def dense_relu(layer):
    kernel, bias = (w.numpy() for w in layer.weights)
    return lambda x: oracles.relu(x @ kernel + bias)


# --- writing ----------------------------------------------------------------------------------


def test_gated_writing_equals_the_oracle():
    layer = writer()
    memory, gate = layer(WORDS, IMAGE)
    for b in range(BATCH):
        expected = oracles.write_memory(WORDS[b], IMAGE[b], weights_of(layer))
        np.testing.assert_allclose(memory[b], expected[0], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(gate[b], expected[1], rtol=1e-5)


def test_ungated_writing_equals_the_oracle_whatever_the_picture():
    layer = writer(gated=False)
    weights = {"word_to_memory": [w.numpy() for w in layer.word_to_memory.weights]}
    memory, gate = layer(WORDS, IMAGE)
    for b, t in np.ndindex(BATCH, WORD_COUNT):
        expected = oracles.write_memory_ungated(WORDS[b, t], weights)
        np.testing.assert_allclose(memory[b, t], expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(layer(WORDS, -IMAGE)[0], memory)
    np.testing.assert_array_equal(gate, np.ones((BATCH, WORD_COUNT, 1)))


def writer_with_gate(logit):
    """A writer whose gate logit is `logit` for each word of positive first feature."""
    layer = writer()
    layer.image_to_gate.kernel.assign(np.zeros((CHANNELS, 1)))
    layer.word_to_gate.kernel.assign(logit * np.eye(WORD_SIZE)[:, :1])
    return layer, np.abs(WORDS) + 1.0


def test_writing_gate_at_one_writes_the_words_alone():
    layer, words = writer_with_gate(1e3)
    memory, gate = layer(words, IMAGE)
    np.testing.assert_array_equal(gate, np.ones((BATCH, WORD_COUNT, 1)))
    np.testing.assert_allclose(memory, layer.word_to_memory(words), rtol=1e-6)


def test_writing_gate_at_zero_writes_the_picture_alone():
    layer, words = writer_with_gate(-1e3)
    memory, gate = layer(words, IMAGE)
    np.testing.assert_array_equal(gate, np.zeros((BATCH, WORD_COUNT, 1)))
    pooled = IMAGE.reshape(BATCH, 1, -1, CHANNELS).mean(2)
    expected = np.broadcast_to(layer.image_to_memory(pooled), memory.shape)
    np.testing.assert_allclose(memory, expected, rtol=1e-5, atol=1e-6)


def test_no_gradient_passes_through_the_mean_of_the_picture():
    layer, image, words = writer(), tf.constant(IMAGE), tf.constant(WORDS)
    with tf.GradientTape() as tape:
        tape.watch([image, words])
        memory, gate = layer(words, image)
        total = tf.reduce_sum(memory) + tf.reduce_sum(gate)
    image_gradient, word_gradient = tape.gradient(total, [image, words])
    assert image_gradient is None
    assert np.abs(word_gradient).max() > 0


def test_mean_over_many_pixels_survives_float16():
    # Summed up in float16, 16,384 ones stop at 2,048.
    layer = MemoryWriter(2, dtype="mixed_float16")
    image = np.ones((1, 128, 128, 3), "float32")
    layer(WORDS[:1], image)
    layer.image_to_memory.kernel.assign(np.ones((3, 2)))
    layer.word_to_gate.kernel.assign(np.zeros((WORD_SIZE, 1)))
    layer.image_to_gate.kernel.assign(np.full((3, 1), -50.0))
    memory, _ = layer(WORDS[:1], image)
    np.testing.assert_allclose(tf.cast(memory, tf.float32), np.full((1, 5, 2), 3.0), rtol=1e-2)


# --- reading ----------------------------------------------------------------------------------


def test_reading_equals_the_oracle():
    layer = reader()
    output, attention = layer(MEMORY, IMAGE, MASK)
    project = dense_relu(layer.memory_to_key), dense_relu(layer.memory_to_value)
    for b in range(BATCH):
        expected = oracles.read_memory(MEMORY[b], IMAGE[b], MASK[b], *project)
        np.testing.assert_allclose(output[b], expected[0], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(attention[b], expected[1], rtol=1e-5, atol=1e-6)


def test_reading_without_separate_values_uses_one_linear_projection_for_both():
    layer = reader(separate_values=False)
    output, attention = layer(MEMORY, IMAGE, MASK)
    kernel = layer.word_projection.kernel.numpy()
    for b in range(BATCH):
        expected = oracles.read_memory(
            MEMORY[b], IMAGE[b], MASK[b], lambda m: m @ kernel, lambda m: m @ kernel
        )
        np.testing.assert_allclose(output[b], expected[0], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(attention[b], expected[1], rtol=1e-5, atol=1e-6)


def test_attention_sums_to_one():
    _, attention = reader()(MEMORY, IMAGE, MASK)
    np.testing.assert_allclose(tf.reduce_sum(attention, -1), np.ones((BATCH, SIDE**2)), rtol=1e-5)


def test_padded_words_receive_exactly_no_attention():
    _, attention = reader()(MEMORY * 10, IMAGE * 10, MASK)
    padded = np.broadcast_to(~MASK[:, None], attention.shape)
    assert padded.any() and (attention.numpy()[padded] == 0.0).all()


def test_a_caption_of_padding_alone_gives_no_nan():
    output, attention = reader()(MEMORY, IMAGE, np.zeros_like(MASK))
    assert np.isfinite(output).all() and np.isfinite(attention).all()


def test_reader_refuses_other_channels_than_the_pictures():
    with pytest.raises(ValueError, match=r"feature_channels=5, image_features of shape \(3, 4, 4"):
        MemoryReader(5)(MEMORY, IMAGE, MASK)


# --- response ---------------------------------------------------------------------------------


def response_gate():
    return filled(ResponseGate(), IMAGE, -IMAGE)


def test_response_equals_the_oracle():
    layer, output = response_gate(), normal(*IMAGE.shape, seed=4)
    blended, gate = layer(IMAGE, output)
    weights = [w.numpy() for w in layer.gate.weights]
    for b in range(BATCH):
        expected = oracles.respond(IMAGE[b], output[b], *weights)
        np.testing.assert_allclose(blended[b], expected[0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(gate[b], expected[1], rtol=1e-5)


@pytest.mark.parametrize(("bias", "value"), [(1e4, 1.0), (-1e4, 0.0)])
def test_response_gate_at_its_limits_gives_what_was_read_or_the_picture(bias, value):
    layer, output = response_gate(), normal(*IMAGE.shape, seed=4)
    layer.gate.bias.assign([bias])
    blended, gate = layer(IMAGE, output)
    np.testing.assert_array_equal(gate, np.full((BATCH, SIDE, SIDE, 1), value))
    np.testing.assert_allclose(blended, output if value else IMAGE, rtol=1e-6)


# --- all of it --------------------------------------------------------------------------------


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

IDS = np.array([[4, 2, 7, 1, 3], [5, 6, 0, 0, 0], [1, 1, 8, 0, 0]])


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


def test_mask_goes_on_from_the_writer_to_the_reader():
    embedding = keras.layers.Embedding(9, WORD_SIZE, mask_zero=True)
    memory, _ = writer()(embedding(IDS), IMAGE)
    _, attention = reader()(memory, IMAGE)
    np.testing.assert_array_equal(attention, reader()(tf.identity(memory), IMAGE, MASK)[1])


def test_without_any_mask_every_word_is_real():
    layer = filled(DynamicMemory(CHANNELS, SLOT_SIZE), WORDS, IMAGE)
    everyone = np.ones((BATCH, WORD_COUNT), bool)
    for ours, theirs in zip(layer(WORDS, IMAGE), layer(WORDS, IMAGE, everyone), strict=True):
        np.testing.assert_array_equal(ours, theirs)
