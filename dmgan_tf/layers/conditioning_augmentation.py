"""Conditioning augmentation: a sentence becomes a small Gaussian to draw conditions from."""

import keras
import tensorflow as tf

from dmgan_tf.layers.conv_blocks import GatedLinearUnit


@keras.saving.register_keras_serializable("dmgan_tf")
class ConditioningAugmentation(keras.layers.Layer):
    """c = μ(s) + ε · exp(½ log σ²(s)), so that one sentence stands for many near conditions.

    μ and log σ² leave one dense layer with a gated linear unit (DM-GAN, Sec. 3.4, L_CA).

    Args: condition_size: int > 0, dimensions of the condition c.
    Inputs: sentence_feature: float [B, N_w]; condition_noise: float [B, condition_size], N(0, 1).
    Returns: (condition, mean, log_variance), each float32 [B, condition_size].
    """

    def __init__(self, condition_size, **kwargs):
        super().__init__(**kwargs)
        self.condition_size = condition_size
        self.dense = keras.layers.Dense(
            4 * condition_size,
            kernel_initializer=keras.initializers.Orthogonal(),
            dtype="float32",
            name="dense",
        )
        self.gated_linear_unit = GatedLinearUnit(dtype="float32")

    def build(self, sentence_feature_shape, condition_noise_shape=None):
        self.dense.build(sentence_feature_shape)
        self.gated_linear_unit.build((None, 4 * self.condition_size))
        self.built = True

    def scale_kernel(self, gain):
        """Multiplies the kernel by `gain`, so that μ differs more between sentences.

        As the kernel starts, μ is a tenth of σ or less (root mean squares; sentence features of
        0.2). Its other half is scaled as well, so σ differs between sentences too.
        """
        self.dense.kernel.assign(self.dense.kernel * gain)

    def call(self, sentence_feature, condition_noise):
        both = self.gated_linear_unit(self.dense(sentence_feature))  # [B, 2·condition_size]
        mean, log_variance = tf.split(both, 2, axis=-1)
        noise = tf.cast(condition_noise, mean.dtype)
        return mean + noise * tf.exp(0.5 * log_variance), mean, log_variance

    def compute_output_shape(self, sentence_feature_shape, condition_noise_shape=None):
        shape = (sentence_feature_shape[0], self.condition_size)
        return shape, shape, shape

    def get_config(self):
        return super().get_config() | {"condition_size": self.condition_size}
