"""The conditioning augmentation loss: oracle, its minimum, and the mean over dimensions."""

import numpy as np
import oracles
import tensorflow as tf

from dmgan_tf.losses.conditioning_kl import conditioning_kl


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def test_loss_equals_the_divergence_of_two_normals():
    mean, log_variance = normal(4, 6), normal(4, 6, seed=1)
    expected = oracles.kl_from_standard_normal(mean, log_variance)
    np.testing.assert_allclose(conditioning_kl(mean, log_variance), expected, rtol=1e-5)


def test_loss_is_zero_at_the_standard_normal():
    zeros = np.zeros((3, 5), "float32")
    np.testing.assert_array_equal(conditioning_kl(zeros, zeros), np.zeros(3))


def test_loss_is_positive_everywhere_else():
    mean, log_variance = 0.1 * normal(50, 2), 0.1 * normal(50, 2, seed=1)
    assert (conditioning_kl(mean, log_variance).numpy() > 0).all()


def test_standard_normal_is_a_stationary_point():
    mean, log_variance = tf.zeros([2, 3]), tf.zeros([2, 3])
    with tf.GradientTape() as tape:
        tape.watch([mean, log_variance])
        loss = conditioning_kl(mean, log_variance)
    for gradient in tape.gradient(loss, [mean, log_variance]):
        np.testing.assert_array_equal(gradient, np.zeros((2, 3)))


def test_repeating_the_dimensions_changes_nothing():
    mean, log_variance = normal(4, 6), normal(4, 6, seed=1)
    doubled = conditioning_kl(np.tile(mean, 2), np.tile(log_variance, 2))
    np.testing.assert_allclose(doubled, conditioning_kl(mean, log_variance), rtol=1e-6)
