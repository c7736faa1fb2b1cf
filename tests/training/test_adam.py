"""Adam: a loop oracle, and an epsilon that stays small beside small gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.training.adam import Adam

RATE, BETA_1, BETA_2, EPSILON = 1e-3, 0.5, 0.999, 1e-8


def run(optimizer, gradients):
    """Where a variable ends that began at 0; in a graph, as training runs it."""
    variable = keras.Variable(np.zeros_like(gradients[0]))
    optimizer.build([variable])
    step = tf.function(lambda g: optimizer.apply_gradients([(g, variable)]))
    for gradient in gradients:
        step(tf.constant(gradient))
    return variable.numpy()


def oracle(gradients):
    m = v = position = 0.0
    for t, gradient in enumerate(gradients.astype(np.float64), start=1):
        m = BETA_1 * m + (1 - BETA_1) * gradient
        v = BETA_2 * v + (1 - BETA_2) * gradient**2
        position -= RATE * (m / (1 - BETA_1**t)) / (np.sqrt(v / (1 - BETA_2**t)) + EPSILON)
    return position


@pytest.mark.parametrize("size", [1.0, 1e-7])
def test_steps_equal_the_oracle(size):
    gradients = size * np.random.default_rng(0).normal(size=(5, 6)).astype("float32")
    found = run(Adam(RATE, BETA_1, BETA_2, epsilon=EPSILON), gradients)
    np.testing.assert_allclose(found, oracle(gradients), rtol=1e-4)


def test_keras_own_adam_moves_less_where_gradients_are_small():
    """Why there is an Adam here: Keras' epsilon is 32 times as large in the first step."""
    gradients = np.full((1, 1), 1e-7, "float32")
    arguments = {"learning_rate": RATE, "beta_1": BETA_1, "beta_2": BETA_2, "epsilon": EPSILON}
    ours, theirs = (
        run(Adam(**arguments), gradients),
        run(keras.optimizers.Adam(**arguments), gradients),
    )
    assert ours == pytest.approx(-RATE / 1.1, rel=1e-4)
    assert theirs == pytest.approx(-RATE / (1 + 0.1 / np.sqrt(0.001)), rel=1e-4)


def test_config_round_trips():
    optimizer = Adam(RATE, BETA_1, BETA_2, epsilon=EPSILON)
    copy = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(copy) is Adam
    assert copy.get_config() == optimizer.get_config()
