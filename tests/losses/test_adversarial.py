"""Adversarial losses: cross-entropy oracle, the authors' weighting, and values that are known."""

import math

import numpy as np
import oracles
import pytest
import tensorflow as tf

from dmgan_tf.losses import adversarial

LOGITS = np.array([-3.0, -0.5, 0.0, 0.7, 4.0], "float32")


def shuffled(seed):
    return np.random.default_rng(seed).permutation(LOGITS)


def test_real_and_fake_losses_equal_the_cross_entropy():
    real, fake = adversarial.real_loss(LOGITS), adversarial.fake_loss(LOGITS)
    np.testing.assert_allclose(real, oracles.cross_entropy(LOGITS, 1), rtol=1e-5)
    np.testing.assert_allclose(fake, oracles.cross_entropy(LOGITS, 0), rtol=1e-5)


@pytest.mark.parametrize("loss", [adversarial.real_loss, adversarial.fake_loss])
def test_an_undecided_discriminator_loses_ln_2(loss):
    np.testing.assert_allclose(loss(np.zeros(3, "float32")), [math.log(2)] * 3, rtol=1e-6)


def test_losses_stay_finite_and_exact_at_large_logits():
    logits = np.array([-200.0, 200.0], "float32")
    np.testing.assert_allclose(adversarial.real_loss(logits), [200.0, 0.0], rtol=1e-6)
    np.testing.assert_allclose(adversarial.fake_loss(logits), [0.0, 200.0], rtol=1e-6)


def test_losses_of_half_precision_logits_are_float32():
    logits = tf.constant(LOGITS, tf.bfloat16)
    assert adversarial.generator_loss(logits, logits).dtype == tf.float32


def test_discriminator_loss_halves_real_terms_and_takes_a_third_of_fake_ones():
    real, pair, fake, fake_pair, wrong = (shuffled(seed) for seed in range(5))
    wrong_loss = adversarial.fake_loss(wrong)
    actual = adversarial.discriminator_loss(real, pair, fake, fake_pair, wrong_loss)
    expected = sum(oracles.cross_entropy(x, 1) for x in (real, pair)) / 2
    expected = expected + sum(oracles.cross_entropy(x, 0) for x in (fake, fake_pair, wrong)) / 3
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_undecided_losses_are_multiples_of_ln_2():
    zeros = np.zeros(2, "float32")
    wrong = adversarial.fake_loss(zeros)
    loss = adversarial.discriminator_loss(zeros, zeros, zeros, zeros, wrong)
    np.testing.assert_allclose(loss, [2 * math.log(2)] * 2, rtol=1e-6)
    np.testing.assert_allclose(
        adversarial.generator_loss(zeros, zeros), [2 * math.log(2)] * 2, rtol=1e-6
    )


def test_generator_loss_adds_both_heads_unhalved():
    fake, pair = shuffled(0), shuffled(1)
    expected = oracles.cross_entropy(fake, 1) + oracles.cross_entropy(pair, 1)
    np.testing.assert_allclose(adversarial.generator_loss(fake, pair), expected, rtol=1e-5)


def test_each_network_gains_by_moving_the_logits_its_own_way():
    real, fake = tf.constant(LOGITS), tf.constant(LOGITS)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([real, fake])
        judged = adversarial.discriminator_loss(real, real, fake, fake, tf.zeros(5))
        drawn = adversarial.generator_loss(fake, fake)
    assert (tape.gradient(judged, real).numpy() < 0).all()
    assert (tape.gradient(judged, fake).numpy() > 0).all()
    assert (tape.gradient(drawn, fake).numpy() < 0).all()
