"""The stages of the generator: features from sentence and noise, and their refinement."""

import math

import keras
import tensorflow as tf

from dmgan_tf.layers.conv_blocks import ResidualBlock, UpsampleBlock, scaled_batch_norm
from dmgan_tf.layers.dynamic_memory import DynamicMemory

_SEED_SIDE = 4  # side of the feature map that the dense layer makes


@keras.saving.register_keras_serializable("dmgan_tf")
class InitialStage(keras.layers.Layer):
    """[c, z] → dense → 4×4 map → upsample blocks, the channels halved by each (G_0 of the paper).

    Args: feature_channels: int, N_r; first_side: int, a power of two from 8 on; padding: see
        `convolve`.
    Inputs: condition: float [B, N_c]; noise: float [B, N_z].
    Returns: image_features: float [B, first_side, first_side, N_r].
    """

    def __init__(self, feature_channels, first_side, padding="zeros", **kwargs):
        super().__init__(**kwargs)
        self.feature_channels = feature_channels
        self.first_side = first_side
        self.padding = padding
        policy = self.dtype_policy
        doublings = int(math.log2(first_side // _SEED_SIDE))
        seed_channels = feature_channels * 2**doublings
        self.seed_shape = (_SEED_SIDE, _SEED_SIDE, seed_channels)
        self.dense = keras.layers.Dense(
            _SEED_SIDE**2 * 2 * seed_channels,
            use_bias=False,
            kernel_initializer=keras.initializers.Orthogonal(),
            dtype=policy,
            name="dense",
        )
        self.batch_norm = scaled_batch_norm(policy, "batch_norm", gated=True)
        self.upsample_blocks = tuple(
            UpsampleBlock(seed_channels // 2**i, padding, dtype=policy, name=f"upsample_{i}")
            for i in range(1, doublings + 1)
        )

    def build(self, condition_shape, noise_shape):
        self.dense.build((None, condition_shape[-1] + noise_shape[-1]))
        self.batch_norm.build((None, self.dense.units))
        shape = (None, *self.seed_shape)
        for block in self.upsample_blocks:
            block.build(shape)
            shape = block.compute_output_shape(shape)
        self.built = True

    def call(self, condition, noise, training=False):
        x = self.dense(tf.concat([condition, noise], axis=-1))
        x = self.batch_norm(x, training=training)
        x = tf.reshape(x, [-1, *self.seed_shape])
        for block in self.upsample_blocks:
            x = block(x, training=training)
        return x

    def compute_output_shape(self, condition_shape, noise_shape):
        return (condition_shape[0], self.first_side, self.first_side, self.feature_channels)

    def get_config(self):
        return super().get_config() | {
            "feature_channels": self.feature_channels,
            "first_side": self.first_side,
            "padding": self.padding,
        }


@keras.saving.register_keras_serializable("dmgan_tf")
class RefinementStage(keras.layers.Layer):
    """Reads the dynamic memory, then residual blocks, then doubles the side (G_i of the paper).

    Args: residual_blocks: int ≥ 0; padding: see `convolve`; all others: see DynamicMemory.
    Inputs: word_features: float [B, T, N_w]; image_features: float [B, side, side, N_r];
        word_mask: bool [B, T], True = real word.
    Returns: (image_features [B, 2·side, 2·side, N_r], MemoryResponse).
    """

    def __init__(
        self,
        feature_channels,
        memory_channels,
        residual_blocks=2,
        memory=True,
        writing_gate=True,
        response_gate=True,
        separate_values=True,
        padding="zeros",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self._arguments = {
            "feature_channels": feature_channels,
            "memory_channels": memory_channels,
            "residual_blocks": residual_blocks,
            "memory": memory,
            "writing_gate": writing_gate,
            "response_gate": response_gate,
            "separate_values": separate_values,
            "padding": padding,
        }
        policy = self.dtype_policy
        self.dynamic_memory = DynamicMemory(
            feature_channels,
            memory_channels,
            memory,
            writing_gate,
            response_gate,
            separate_values,
            dtype=policy,
            name="dynamic_memory",
        )
        half = self.dynamic_memory.half_output
        self.residual_blocks = tuple(
            ResidualBlock(half and i == 0, padding, dtype=policy, name=f"residual_{i}")
            for i in range(residual_blocks)
        )
        self.upsample = UpsampleBlock(feature_channels, padding, dtype=policy, name="upsample")

    def build(self, word_features_shape, image_features_shape, word_mask_shape=None):
        self.dynamic_memory.build(word_features_shape, image_features_shape)
        joined = (*image_features_shape[:-1], 2 * image_features_shape[-1])
        for block in self.residual_blocks:
            block.build(image_features_shape if block.half_input else joined)
        self.upsample.build(joined)
        self.built = True

    def call(self, word_features, image_features, word_mask, training=False):
        response = self.dynamic_memory(word_features, image_features, word_mask)
        x = response.image_features
        for block in self.residual_blocks:
            x = block(x, training=training)
        if self.dynamic_memory.half_output and not self.residual_blocks:
            x = tf.concat([x, x], axis=-1)
        return self.upsample(x, training=training), response

    def compute_output_shape(self, word_features_shape, image_features_shape, word_mask_shape=None):
        response = self.dynamic_memory.compute_output_shape(
            word_features_shape, image_features_shape
        )
        return self.upsample.compute_output_shape(image_features_shape), response

    def get_config(self):
        return super().get_config() | self._arguments
