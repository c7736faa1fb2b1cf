"""R1 against differences of the discriminator itself, and when it is computed."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from training.small_trainer import FEATURES, sgd

from dmgan_tf.models.discriminator import Discriminator
from dmgan_tf.training.gradient_penalty import INTERVAL, penalty_gradients, squared_gradient_norm

SIDE = 8


@pytest.fixture
def network():
    keras.utils.set_random_seed(0)
    network = Discriminator(SIDE, 2, batch_deviation=True)
    network.build((None, SIDE, SIDE, 3), (None, FEATURES))
    network.deviation_head.kernel.assign(tf.ones_like(network.deviation_head.kernel))
    return network


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    shapes = (3, SIDE, SIDE, 3), (3, FEATURES)
    return tuple(tf.constant(rng.normal(size=shape), tf.float32) for shape in shapes)


def test_gradient_is_that_of_small_differences_of_both_logits(network, pair):
    real, sentence = (x[:1] for x in pair)
    step = 1e-2
    gradient = np.zeros(real.shape[1:])
    for place in np.ndindex(gradient.shape):
        change = np.zeros(real.shape, np.float32)
        change[(0, *place)] = step
        up, down = (network(real + sign * change, sentence, groups=None) for sign in (1, -1))
        rise = sum(float(a[0] - b[0]) for a, b in zip(up, down, strict=True))
        gradient[place] = rise / (2 * step)
    expected = np.sum(gradient**2)
    np.testing.assert_allclose(
        squared_gradient_norm(network, real, sentence)[0], expected, rtol=2e-2
    )


def test_a_picture_is_judged_by_itself(network, pair):
    alone = [squared_gradient_norm(network, *(x[i : i + 1] for x in pair))[0] for i in range(3)]
    np.testing.assert_allclose(squared_gradient_norm(network, *pair), alone, rtol=1e-4)


def test_its_gradient_is_that_of_small_changes_of_the_weights(network, pair):
    penalty = tf.function(lambda: tf.reduce_mean(squared_gradient_norm(network, *pair)))
    rng, step = np.random.default_rng(0), 3e-5
    with tf.GradientTape() as tape:
        value = penalty()
    kernels = [v.value for v in network.trainable_variables if "kernel" in v.name]
    for kernel, gradient in zip(kernels, tape.gradient(value, kernels), strict=True):
        if kernel is network.deviation_head.kernel.value:  # no part of the penalty
            assert gradient is None
            continue
        start, agree = kernel.numpy(), 0
        for _ in range(12):
            direction = rng.normal(size=start.shape).astype(np.float32)
            values = []
            for sign in (1, -1):
                kernel.assign(start + sign * step * direction)
                values.append(float(penalty()))
            slope = (values[0] - values[1]) / (2 * step)
            agree += np.isclose(slope, np.sum(gradient * direction), rtol=0.02, atol=2e-3)
        kernel.assign(start)
        # In the others a leaky ReLU changes its slope between both, where the penalty jumps.
        assert agree >= 8


def test_it_is_computed_now_and_then_and_weighed_by_side_and_batch(network, pair):
    optimizer = sgd()
    variables = network.trainable_variables
    optimizer.build(variables)

    def gradients(step):
        return penalty_gradients(network, optimizer, *pair, tf.constant(step), 0.3)

    for step in (1, INTERVAL - 1):
        assert all(not np.any(gradient) for gradient in gradients(step))
    with tf.GradientTape() as tape:
        expected = (
            INTERVAL * 0.3 * SIDE**2 / 3 / 2 * tf.reduce_mean(squared_gradient_norm(network, *pair))
        )
    wanted = tape.gradient(expected, [v.value for v in variables])
    for step in (0, INTERVAL):
        for gradient, want in zip(gradients(step), wanted, strict=True):
            want = np.zeros(gradient.shape) if want is None else want
            np.testing.assert_allclose(gradient, want, rtol=1e-5, atol=1e-7)
