"""LSTM cell: oracle, gates at their limits, and both biases learning alike."""

import numpy as np
import oracles
import tensorflow as tf

from dmgan_tf.layers.lstm_cell import LSTMCell

UNITS = 4


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def built(bias=None):
    """A cell; with `bias`, one per gate, that bias alone decides the gates."""
    cell = LSTMCell(UNITS)
    cell.build((None, 3))
    for seed, weight in enumerate(cell.weights):
        weight.assign(normal(*weight.shape, seed=seed) * (0.0 if bias else 1.0))
    if bias:
        cell.bias.assign(np.repeat(bias, UNITS))
    return cell


def test_step_equals_the_oracle():
    cell, x, hidden, carry = built(), normal(2, 3), normal(2, UNITS), normal(2, UNITS, seed=9)
    weights = [weight.numpy() for weight in cell.weights]
    expected = oracles.lstm_step(x, hidden, carry, weights)
    output, states = cell(x, [hidden, carry])
    np.testing.assert_array_equal(output, states[0])
    for actual, reference in zip(states, expected, strict=True):
        np.testing.assert_allclose(actual, reference, rtol=1e-5, atol=1e-6)


def test_open_forget_gate_and_closed_input_gate_keep_the_carry():
    carry = normal(2, UNITS)
    _, states = built(bias=[-100, 100, 3, 0])(normal(2, 3), [normal(2, UNITS), carry])
    np.testing.assert_allclose(states[1], carry, rtol=1e-6)


def test_open_input_gate_and_closed_forget_gate_replace_the_carry():
    _, states = built(bias=[100, -100, 0.5, 0])(normal(2, 3), [normal(2, UNITS)] * 2)
    np.testing.assert_allclose(states[1], np.full((2, UNITS), np.tanh(0.5)), rtol=1e-6)


def test_closed_output_gate_hides_the_carry():
    output, states = built(bias=[0, 0, 1, -100])(normal(2, 3), [normal(2, UNITS)] * 2)
    np.testing.assert_allclose(output, np.zeros((2, UNITS)), atol=1e-30)
    assert np.abs(states[1]).min() > 0


def test_both_biases_learn_alike():
    cell = built()
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(cell(normal(2, 3), [normal(2, UNITS)] * 2)[0])
    one, other = tape.gradient(total, [cell.bias.value, cell.recurrent_bias.value])
    np.testing.assert_array_equal(one, other)
    assert np.abs(one).min() > 0


def test_cell_starts_with_an_open_forget_gate_and_an_orthogonal_recurrent_kernel():
    cell = LSTMCell(UNITS)
    cell.build((None, 30))
    np.testing.assert_array_equal(cell.bias, np.repeat([0.0, 1.0, 0.0, 0.0], UNITS))
    np.testing.assert_array_equal(cell.recurrent_bias, np.zeros(4 * UNITS))
    recurrent = cell.recurrent_kernel.numpy()
    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(UNITS), atol=1e-5)
