"""Writing, reading and responding: an oracle per equation, masking, gates at 0 and 1."""

import keras
import numpy as np
import oracles
import pytest
import tensorflow as tf
from small_memory import (
    BATCH,
    CHANNELS,
    IDS,
    IMAGE,
    MASK,
    MEMORY,
    SIDE,
    WORD_COUNT,
    WORD_SIZE,
    WORDS,
    filled,
    normal,
    reader,
    writer,
)

from dmgan_tf.layers.memory_steps import MemoryReader, MemoryWriter, ResponseGate


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


def test_mask_goes_on_from_the_writer_to_the_reader():
    embedding = keras.layers.Embedding(9, WORD_SIZE, mask_zero=True)
    memory, _ = writer()(embedding(IDS), IMAGE)
    _, attention = reader()(memory, IMAGE)
    np.testing.assert_array_equal(attention, reader()(tf.identity(memory), IMAGE, MASK)[1])
