"""DAMSM losses: loop oracles and masks; `tests/parity` holds them to the authors' values."""

import numpy as np
import oracles
import pytest
import tensorflow as tf

from dmgan_tf.losses import damsm

PICTURES, REGIONS, WORD_COUNT, SIZE = 4, 6, 5, 3
LENGTHS = np.array([5, 2, 1, 4])
MASK = np.arange(WORD_COUNT)[None] < LENGTHS[:, None]
CLASS_IDS = np.array([7, 3, 7, 3])
GAMMAS = (4.0, 5.0, 10.0)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


REGION_FEATURES, IMAGE_CODES = normal(PICTURES, REGIONS, SIZE), normal(PICTURES, SIZE, seed=1)
WORD_FEATURES = normal(PICTURES, WORD_COUNT, SIZE, seed=2)
SENTENCE_FEATURES = normal(PICTURES, SIZE, seed=3)


def word_similarity(words=WORD_FEATURES, mask=MASK):
    return damsm.word_similarity(REGION_FEATURES, words, mask, *GAMMAS[:2]).numpy()


def word_oracle():
    similarity = np.zeros((PICTURES, PICTURES))
    for s, i in np.ndindex(PICTURES, PICTURES):
        words = WORD_FEATURES[s, : LENGTHS[s]].astype("float64")
        similarity[s, i] = oracles.damsm_similarity(REGION_FEATURES[i], words, *GAMMAS[:2])
    return similarity


def sentence_oracle():
    similarity = np.zeros((PICTURES, PICTURES))
    for s, i in np.ndindex(PICTURES, PICTURES):
        similarity[s, i] = oracles.cosine(SENTENCE_FEATURES[s], IMAGE_CODES[i])
    return similarity


# --- attention and similarities ---------------------------------------------------------------


def test_attention_of_real_words_equals_the_oracle():
    weights = damsm.word_weights(REGION_FEATURES, WORD_FEATURES, MASK, GAMMAS[0]).numpy()
    assert weights.shape == (PICTURES, REGIONS, PICTURES, WORD_COUNT)
    for s, i in np.ndindex(PICTURES, PICTURES):
        words = WORD_FEATURES[s, : LENGTHS[s]]
        expected = oracles.damsm_attention(REGION_FEATURES[i], words, GAMMAS[0])
        actual = weights[i, :, s, : LENGTHS[s]].T
        actual /= actual.sum(axis=-1, keepdims=True)
        np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_word_similarity_equals_the_oracle():
    np.testing.assert_allclose(word_similarity(), word_oracle(), rtol=1e-5)


def test_padded_words_change_no_similarity():
    words = np.where(MASK[..., None], WORD_FEATURES, 50.0)
    words = np.concatenate([words, normal(PICTURES, 3, SIZE, seed=8)], 1).astype("float32")
    mask = np.concatenate([MASK, np.zeros((PICTURES, 3), bool)], 1)
    np.testing.assert_allclose(word_similarity(words, mask), word_similarity(), rtol=1e-5)


def test_other_captions_and_pictures_change_no_similarity():
    alone = damsm.word_similarity(REGION_FEATURES[1:2], WORD_FEATURES[2:3], MASK[2:3], *GAMMAS[:2])
    np.testing.assert_allclose(alone[0, 0], word_similarity()[2, 1], rtol=1e-5)


def test_sentence_similarity_equals_the_oracle():
    actual = damsm.sentence_similarity(IMAGE_CODES, SENTENCE_FEATURES)
    np.testing.assert_allclose(actual, sentence_oracle(), rtol=1e-5, atol=1e-6)


def test_a_feature_of_zeros_is_similar_to_nothing():
    similarity = damsm.sentence_similarity(tf.zeros([1, SIZE]), SENTENCE_FEATURES)
    np.testing.assert_array_equal(similarity, np.zeros((PICTURES, 1)))


# --- matching ---------------------------------------------------------------------------------


@pytest.mark.parametrize("class_ids", [None, CLASS_IDS], ids=["no classes", "classes"])
def test_matching_losses_equal_the_oracle_both_ways(class_ids):
    similarity = normal(PICTURES, PICTURES)
    actual = damsm.matching_loss(tf.constant(similarity), 2.0, class_ids)
    expected = oracles.matching_losses(similarity, 2.0, class_ids)
    assert abs(expected[0] - expected[1]) > 0.1  # or the two ways couldn't be told apart
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_other_samples_of_the_same_class_are_no_negatives():
    similarity = normal(PICTURES, PICTURES)
    changed = similarity.copy()
    changed[0, 2] = changed[3, 1] = 30.0
    similarity, changed = tf.constant(similarity), tf.constant(changed)
    before, after = (damsm.matching_loss(x, 2.0, CLASS_IDS) for x in (similarity, changed))
    np.testing.assert_array_equal(before, after)
    assert damsm.matching_loss(changed, 2.0)[0] > before[0] + 1


def test_one_class_alone_leaves_nothing_to_lose():
    similarity = tf.constant(normal(PICTURES, PICTURES))
    losses = damsm.matching_loss(similarity, 2.0, np.zeros(PICTURES, int))
    np.testing.assert_allclose(losses, [0.0, 0.0], atol=1e-6)


def test_equal_similarities_lose_the_logarithm_of_the_batch():
    losses = damsm.matching_loss(np.ones((8, 8), "float32"), 10.0)
    np.testing.assert_allclose(losses, [np.log(8)] * 2, rtol=1e-6)


@pytest.mark.parametrize("class_ids", [None, CLASS_IDS], ids=["no classes", "classes"])
def test_damsm_losses_equal_the_oracle(class_ids):
    image, text = (REGION_FEATURES, IMAGE_CODES), (WORD_FEATURES, SENTENCE_FEATURES)
    actual = damsm.damsm_losses(image, text, MASK, class_ids, GAMMAS)
    expected = [
        sum(oracles.matching_losses(similarity, GAMMAS[2], class_ids))
        for similarity in (sentence_oracle(), word_oracle())
    ]
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_gradients_stay_finite_with_padding_and_classes():
    inputs = [tf.constant(x) for x in (REGION_FEATURES, IMAGE_CODES, WORD_FEATURES)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        regions, codes, words = inputs
        losses = damsm.damsm_losses(
            (regions, codes), (words, SENTENCE_FEATURES), MASK, CLASS_IDS, GAMMAS
        )
        total = tf.add_n(losses)
    gradients = tape.gradient(total, inputs)
    assert all(np.isfinite(g).all() and np.abs(g).max() > 0 for g in gradients)
    np.testing.assert_array_equal(gradients[2].numpy()[~MASK], 0.0)
