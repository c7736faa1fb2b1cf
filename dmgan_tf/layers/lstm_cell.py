"""The LSTM cell of the text encoder."""

import keras
import numpy as np
import tensorflow as tf


@keras.saving.register_keras_serializable("dmgan_tf")
class LSTMCell(keras.layers.Layer):
    """LSTM cell with an input bias and a recurrent bias, as the authors' framework has it.

    Keras' own cell has one bias. Their sum is all that the output sees, but both learn, and the
    authors' checkpoints hold both. Gates stand in the order input, forget, candidate, output.

    Starts as Keras' cell does (forget gate open), which learns faster here.

    Args: units: int > 0, size of the hidden state.
    Inputs: inputs: float [B, C]; states: [hidden, carry], each [B, units].
    Returns: (hidden, [hidden, carry]).
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.state_size = [units, units]
        self.output_size = units

    def build(self, input_shape):
        def weight(name, initializer, *shape):
            return self.add_weight(
                name=name, shape=(*shape, 4 * self.units), initializer=initializer
            )

        self.kernel = weight("kernel", "glorot_uniform", input_shape[-1])
        self.recurrent_kernel = weight("recurrent_kernel", "orthogonal", self.units)
        self.bias = weight("bias", self._open_forget_gate)
        self.recurrent_bias = weight("recurrent_bias", "zeros")
        self.built = True

    def _open_forget_gate(self, shape, dtype=None):
        # Begins by remembering: the sentence feature is what is left after the last word.
        in_gate, forget_gate, rest = np.split(np.zeros(shape), [self.units, 2 * self.units])
        return tf.constant(np.concatenate([in_gate, forget_gate + 1.0, rest]), dtype)

    def call(self, inputs, states, training=False):
        hidden, carry = states
        z = tf.matmul(inputs, self.kernel) + tf.matmul(hidden, self.recurrent_kernel)
        z = z + (self.bias + self.recurrent_bias)
        in_gate, forget_gate, candidate, out_gate = tf.split(z, 4, axis=-1)
        carry = tf.sigmoid(forget_gate) * carry + tf.sigmoid(in_gate) * tf.tanh(candidate)
        hidden = tf.sigmoid(out_gate) * tf.tanh(carry)
        return hidden, [hidden, carry]

    def get_initial_state(self, batch_size=None):
        return [tf.zeros([batch_size, self.units], self.compute_dtype) for _ in range(2)]

    def get_config(self):
        return super().get_config() | {"units": self.units}
