"""Batch normalisation with PyTorch's statistics, fused on one replica, synchronised on several."""

import keras
import tensorflow as tf

from dmgan_tf.layers import cpu


@keras.saving.register_keras_serializable("dmgan_tf")
class BatchNorm(keras.layers.Layer):
    """Normalises each channel over the *global* batch and keeps moving statistics.

    The moving variance is fed with the unbiased batch variance, as the authors' framework does;
    Keras' own layer feeds the biased one (a factor 1.11 at batch 10 in the first dense layer).
    With one replica the fused kernel does the work, but for large pictures on a CPU, where its sums
    lose up to three of seven digits. With several replicas, sums are all-reduced.

    Args:
        epsilon: float > 0, added to the variance.
        momentum: float in (0, 1), share of the old moving statistics that is kept a step.
        scale_initializer: Keras initializer of the scale.
        gated: bool, whether a gated linear unit follows, which then is part of this layer.
    Inputs: x: float [B, ..., C].
    Returns: float [B, ..., C], or [B, ..., C/2] if gated, in the compute dtype; statistics are
        float32 always.
    """

    def __init__(self, epsilon=1e-5, momentum=0.9, scale_initializer="ones", gated=False, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.momentum = momentum
        self.scale_initializer = keras.initializers.get(scale_initializer)
        self.gated = gated

    def build(self, input_shape):
        shape = (input_shape[-1],)

        def weight(name, initializer, trainable):
            return self.add_weight(
                name=name,
                shape=shape,
                initializer=initializer,
                trainable=trainable,
                dtype="float32",
                autocast=False,
            )

        self.scale = weight("scale", self.scale_initializer, True)
        self.offset = weight("offset", "zeros", True)
        self.moving_mean = weight("moving_mean", "zeros", False)
        self.moving_variance = weight("moving_variance", "ones", False)
        self.built = True

    def call(self, x, training=False):
        if not (training and self.trainable):
            factor, shift = self.factor_and_shift()
            return self._output(x * tf.cast(factor, x.dtype) + tf.cast(shift, x.dtype))
        if normalise := cpu.batch_norm(x):
            weights = tf.convert_to_tensor(self.scale), tf.convert_to_tensor(self.offset)
            y, mean, unbiased_variance = normalise(x, *weights, self.epsilon, self.gated)
        else:
            several = tf.distribute.get_strategy().num_replicas_in_sync > 1
            y, mean, unbiased_variance = (self._synchronised if several else self._fused)(x)
            y = self._output(y)
        self.moving_mean.assign(self._moved(self.moving_mean, mean))
        self.moving_variance.assign(self._moved(self.moving_variance, unbiased_variance))
        return y

    def _output(self, y):
        return gated_linear_unit(y) if self.gated else y

    def compute_output_shape(self, input_shape):
        *rest, channels = input_shape
        return (*rest, channels // 2 if self.gated else channels)

    def factor_and_shift(self):
        """What inference multiplies each channel by and then adds: two float32 [C]."""
        factor = self.scale * tf.math.rsqrt(self.moving_variance + self.epsilon)
        return factor, self.offset - self.moving_mean * factor

    def _moved(self, moving, batch):
        return moving * self.momentum + tf.stop_gradient(batch) * (1.0 - self.momentum)

    def _fused(self, x):
        flat = tf.reshape(x, [-1, 1, 1, x.shape[-1]]) if len(x.shape) != 4 else x
        y, mean, unbiased_variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=flat,
            scale=tf.convert_to_tensor(self.scale),
            offset=tf.convert_to_tensor(self.offset),
            mean=tf.zeros([0]),
            variance=tf.zeros([0]),
            epsilon=self.epsilon,
            is_training=True,
        )
        return tf.reshape(y, tf.shape(x)), mean, unbiased_variance

    def _synchronised(self, x):
        context = tf.distribute.get_replica_context()
        axes = list(range(len(x.shape) - 1))
        wide = tf.cast(x, tf.float32)
        local_count = tf.cast(tf.size(x) // x.shape[-1], tf.float32)

        def global_sum(value):
            return context.all_reduce(tf.distribute.ReduceOp.SUM, value)

        count = global_sum(local_count)
        mean = global_sum(tf.reduce_sum(wide, axes)) / count
        # Two passes: E[x²] − E[x]² would lose the digits that one replica keeps.
        variance = global_sum(tf.reduce_sum(tf.square(wide - mean), axes)) / count
        y = (wide - mean) * (tf.math.rsqrt(variance + self.epsilon) * self.scale) + self.offset
        return tf.cast(y, x.dtype), mean, variance * count / (count - 1.0)

    def get_config(self):
        return super().get_config() | {
            "epsilon": self.epsilon,
            "momentum": self.momentum,
            "scale_initializer": keras.initializers.serialize(self.scale_initializer),
            "gated": self.gated,
        }


def gated_linear_unit(x):
    """First half of the channels times the sigmoid of the second (Dauphin et al., 2017).

    Args: x: float [B, ..., 2C]. Returns: float [B, ..., C].
    """
    value, gate = tf.split(x, 2, axis=-1)
    return value * tf.sigmoid(gate)
