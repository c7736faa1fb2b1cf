"""Text encoder: a per-caption oracle, and indifference to padding."""

import keras
import numpy as np
import oracles
import pytest
import tensorflow as tf

from dmgan_tf.models.text_encoder import TextEncoder

IDS = np.array([[1, 8, 3, 2], [5, 4, 0, 0], [7, 0, 0, 0]], "int32")
LENGTHS = np.array([4, 2, 1], "int32")


def built(**kwargs):
    encoder = TextEncoder(9, embedding_size=3, feature_size=4, **kwargs)
    encoder.build()
    rng = np.random.default_rng(0)
    for weight in encoder.weights:
        if weight.dtype == "float32":
            weight.assign(rng.normal(size=weight.shape))
    return encoder


def lstm_weights(lstm):
    return [weight.numpy() for weight in lstm.cell.weights]


# --- oracle and properties ----------------------------------------------------------------------


def test_features_equal_the_oracle():
    encoder = built()
    weights = [lstm_weights(lstm) for lstm in (encoder.forward_lstm, encoder.backward_lstm)]
    expected = oracles.encode_captions(IDS, LENGTHS, encoder.embedding.embeddings.numpy(), *weights)
    for actual, reference in zip(encoder(IDS, LENGTHS), expected, strict=True):
        np.testing.assert_allclose(actual, reference, rtol=1e-5, atol=1e-6)


def test_word_features_are_zero_at_padding():
    words, _ = built()(IDS, LENGTHS)
    padding = np.arange(4)[None] >= LENGTHS[:, None]
    np.testing.assert_array_equal(words.numpy()[padding], 0.0)
    assert np.abs(words.numpy()[~padding]).min() > 0


def test_padding_and_its_ids_change_nothing():
    encoder = built()
    words, sentence = encoder(IDS, LENGTHS)
    ids = np.pad(np.where(IDS == 0, 6, IDS), ((0, 0), (0, 3)), constant_values=8)
    longer_words, longer_sentence = encoder(ids, LENGTHS)
    np.testing.assert_allclose(longer_words[:, :4], words, rtol=1e-6)
    np.testing.assert_array_equal(longer_words[:, 4:], 0.0)
    np.testing.assert_allclose(longer_sentence, sentence, rtol=1e-6)


def test_batch_mates_change_nothing():
    encoder = built()
    together = encoder(IDS, LENGTHS)
    for b in range(3):
        alone = encoder(IDS[b : b + 1], LENGTHS[b : b + 1])
        for ours, all_of_them in zip(alone, together, strict=True):
            np.testing.assert_allclose(ours[0], all_of_them[b], rtol=1e-5, atol=1e-6)


def test_traced_encoder_takes_any_batch_and_length():
    encoder = built()
    specs = [tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None], tf.int32)]
    traced = tf.function(lambda ids, lengths: encoder(ids, lengths), input_signature=specs)
    for ids, lengths in ((IDS, LENGTHS), (IDS[:1, :3], LENGTHS[:1] - 1)):
        for actual, expected in zip(traced(ids, lengths), encoder(ids, lengths), strict=True):
            np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def test_dropout_drops_what_its_noise_says_and_scales_the_rest():
    encoder = built(dropout=0.5)
    words, _ = encoder(IDS, LENGTHS)
    shape = (*IDS.shape, encoder.embedding_size)
    kept, _ = encoder(IDS, LENGTHS, np.full(shape, 0.6, np.float32))
    encoder.embedding.embeddings.assign(2.0 * encoder.embedding.embeddings)
    np.testing.assert_allclose(kept, encoder(IDS, LENGTHS)[0], rtol=1e-6)
    assert np.abs(kept - words).max() > 1e-3
    dropped, _ = encoder(IDS, LENGTHS, np.full(shape, 0.4, np.float32))
    encoder.embedding.embeddings.assign(0.0 * encoder.embedding.embeddings)
    np.testing.assert_array_equal(dropped, encoder(IDS, LENGTHS)[0])


@pytest.fixture
def restored_global_policy():
    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)


def test_encoder_stays_in_float32_under_a_mixed_global_policy(restored_global_policy):
    embeddings = np.full((9, 3), 1.001)  # 1 in bfloat16
    results = []
    for policy in ("mixed_bfloat16", "float32"):
        keras.config.set_dtype_policy(policy)
        encoder = built()
        encoder.embedding.embeddings.assign(embeddings)
        results.append(encoder(IDS, LENGTHS))
    for mixed, single in zip(*results, strict=True):
        assert mixed.dtype == tf.float32
        np.testing.assert_array_equal(mixed, single)


def test_cub_encoder_has_the_authors_number_of_parameters():
    encoder = TextEncoder(5450)
    encoder.build()
    assert sum(w.shape.num_elements() for w in encoder.trainable_weights) == 2_075_320


def test_an_odd_feature_size_is_refused():
    with pytest.raises(ValueError, match=r"must be even\. Received: feature_size=7"):
        TextEncoder(9, feature_size=7)


@pytest.mark.parametrize("dropout", [-0.1, 1.0])
def test_dropout_that_leaves_nothing_or_adds_is_refused(dropout):
    with pytest.raises(ValueError, match=rf"must lie in \[0, 1\)\. Received: dropout={dropout}"):
        TextEncoder(9, dropout=dropout)
