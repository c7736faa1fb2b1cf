"""Discriminators: oracle, pairing of pictures and sentences, and the authors' sizes."""

import keras
import numpy as np
import oracles
import pytest
import tensorflow as tf

from dmgan_tf.models.discriminator import Discriminator

SENTENCE_SIZE = 6


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def built(side=16, base_width=2):
    network = Discriminator(side, base_width)
    network.build((None, side, side, 3), (None, SENTENCE_SIZE))
    rng = np.random.default_rng(1)
    for weight in network.weights:
        weight.assign(weight + rng.uniform(-0.2, 0.2, weight.shape))
    return network


def block_oracle(block, x):
    conv = block.conv
    _, _, sigma = oracles.power_iteration(conv.kernel.numpy(), conv.u.numpy(), training=False)
    y = oracles.convolution(x, conv.kernel.numpy() / sigma, conv.strides) + conv.bias.numpy()
    return oracles.leaky_relu(y)


def head_oracle(head, features):
    """A 4×4 convolution over a 4×4 map."""
    kernel = head.kernel.numpy().reshape(4, 4, -1)
    return [(kernel * sample).sum() + head.bias.numpy()[0] for sample in features]


@pytest.mark.parametrize("side", [16, 128], ids=["halving only", "narrowing as well"])
def test_logits_equal_the_oracle(side):
    network, images = built(side, base_width=1), normal(2, side, side, 3)
    sentences = normal(2, SENTENCE_SIZE, seed=1)
    features = images
    for block in network.feature_blocks:
        features = block_oracle(block, features)
    tiled = np.tile(sentences[:, None, None, :], (1, 4, 4, 1))
    joint = block_oracle(network.joint_block, np.concatenate([features, tiled], -1))
    actual = network(images, sentences)
    expected = [
        head_oracle(network.unconditional_head, features),
        head_oracle(network.conditional_head, joint),
    ]
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


def test_image_index_pairs_pictures_with_sentences():
    network, images = built(), normal(3, 16, 16, 3)
    sentences, index = normal(4, SENTENCE_SIZE, seed=1), np.array([2, 0, 0, 1], "int32")
    paired = network(images, sentences, index)
    repeated = network(images[index], sentences)
    assert paired.unconditional_logits.shape == (3,)
    np.testing.assert_allclose(
        paired.conditional_logits, repeated.conditional_logits, rtol=1e-5, atol=1e-6
    )


def test_real_and_fake_pictures_can_share_a_pass():
    network, images = built(), normal(4, 16, 16, 3)
    sentences = normal(4, SENTENCE_SIZE, seed=1)
    joint = network(images, sentences)
    halves = [network(images[part], sentences[part]) for part in (slice(2), slice(2, 4))]
    for one, two, together in zip(*halves, joint, strict=True):
        np.testing.assert_allclose(np.concatenate([one, two]), together, rtol=1e-5, atol=1e-6)


def test_sentence_moves_only_the_conditional_logits():
    network, images = built(), normal(2, 16, 16, 3)
    one, other = (network(images, normal(2, SENTENCE_SIZE, seed=seed)) for seed in (1, 2))
    np.testing.assert_array_equal(one.unconditional_logits, other.unconditional_logits)
    assert np.abs(one.conditional_logits - other.conditional_logits).min() > 1e-4


def test_training_call_changes_only_the_power_iteration():
    network = built()
    before = {weight.path: weight.numpy() for weight in network.weights}
    network(normal(2, 16, 16, 3), normal(2, SENTENCE_SIZE), training=True)
    changed = {w.path for w in network.weights if (w.numpy() != before[w.path]).any()}
    assert changed == {w.path for w in network.non_trainable_weights}
    assert all(path.endswith("/u") for path in changed)


def test_every_convolution_but_the_heads_is_spectrally_normalised():
    for side, convolutions in ((64, 5), (128, 7)):
        network = built(side, base_width=1)
        assert len(network.non_trainable_weights) == convolutions
        heads = [network.unconditional_head, network.conditional_head]
        assert all(type(head) is keras.layers.Dense for head in heads)


def test_logits_are_float32_under_mixed_precision():
    network = Discriminator(8, 2, dtype="mixed_bfloat16")
    logits = network(normal(1, 8, 8, 3), normal(1, SENTENCE_SIZE))
    assert {x.dtype for x in logits} == {tf.float32}


@pytest.mark.parametrize(
    ("side", "parameters"), [(64, 1_878_242), (128, 5_155_810), (256, 18_264_546)]
)
def test_cub_discriminators_have_the_authors_number_of_parameters(side, parameters):
    with keras.StatelessScope(initialize_variables=False):  # shapes only: values take seconds
        network = Discriminator(side)
        network.build((None, side, side, 3), (None, 256))
        count = sum(weight.shape.num_elements() for weight in network.trainable_weights)
    keras.utils.clear_session()  # or Keras initialises them later
    assert count == parameters


@pytest.mark.parametrize("side", [4, 48, 0])
def test_sides_that_are_no_power_of_two_from_8_on_are_refused(side):
    with pytest.raises(ValueError, match=f"power of two from 8 on. Received: side={side}"):
        Discriminator(side)


def test_batch_deviation_moves_the_unconditional_logits_of_its_group_alone():
    network = Discriminator(8, 2, batch_deviation=True)
    network.build((None, 8, 8, 3), (None, SENTENCE_SIZE))
    images, sentences = normal(4, 8, 8, 3), normal(4, SENTENCE_SIZE, seed=1)
    plain = network(images, sentences, groups=2)
    network.deviation_head.kernel.assign(tf.ones_like(network.deviation_head.kernel))
    found = network(images, sentences, groups=2)
    np.testing.assert_array_equal(found.conditional_logits, plain.conditional_logits)
    added = (found.unconditional_logits - plain.unconditional_logits).numpy()
    features = images
    for block in network.feature_blocks:
        features = block(features)
    for rows, group in zip(np.split(added, 2), np.split(features.numpy(), 2), strict=True):
        deviation = group.std(axis=0).mean(axis=-1).sum()
        np.testing.assert_allclose(rows, deviation, rtol=1e-4)
