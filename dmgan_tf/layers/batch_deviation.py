"""How much the samples of a batch differ: what tells a generator that always draws the same."""

import keras
import tensorflow as tf

_EPSILON = 1e-8  # keeps the gradient finite


@keras.saving.register_keras_serializable("dmgan_tf")
class BatchDeviation(keras.layers.Layer):
    """Minibatch standard deviation: over the global batch at each place, mean over channels.

    d_p = 1/C Σ_c √(Var_b x_bpc + ε)   (Karras et al., 2018, arXiv:1710.10196, Sec. 3; there the
    mean over places as well)

    Inputs: x: float [B, side, side, C]; groups: int > 0, the samples are so many equal groups, such
        as real and generated ones, which have a deviation each.
    Returns: float [B, side · side], alike for all samples of a group; float32 under every policy,
        which is meant: deviations near 0 keep their digits.
    """

    def build(self, input_shape):
        self.built = True

    def call(self, x, groups=1):
        shape, places = tf.shape(x), x.shape[1] * x.shape[2]
        size = shape[0] // groups
        wide = tf.reshape(tf.cast(x, tf.float32), [groups, size, places, x.shape[3]])
        mean = _global_mean(wide)
        variance = _global_mean(tf.square(wide - mean))
        deviation = tf.reduce_mean(tf.sqrt(variance + _EPSILON), axis=-1)  # [groups, 1, places]
        return tf.reshape(tf.tile(deviation, [1, size, 1]), [shape[0], places])

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[1] * input_shape[2])


def _global_mean(x):
    """Mean over axis 1 and over the replicas, kept as an axis of 1."""
    mean = tf.reduce_mean(x, axis=1, keepdims=True)
    count = tf.distribute.get_strategy().num_replicas_in_sync
    if count == 1:
        return mean
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, mean) / count
