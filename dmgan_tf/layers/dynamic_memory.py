"""The dynamic memory: write words into it, address it by pixel, read it, blend in what was read.

Its steps, with the paper's Eq. 3 to 9, are the layers of `memory_steps.py`, whose notation holds
here too; gates and attention are float32 under every policy.
"""

from typing import NamedTuple

import keras
import tensorflow as tf

from dmgan_tf.layers.memory_steps import MemoryReader, MemoryWriter, ResponseGate, real_words


class MemoryResponse(NamedTuple):
    """What a `DynamicMemory` answers; the gates are 1 where their switch is off."""

    image_features: tf.Tensor  # [B, side, side, N_r]; 2·N_r without the response gate
    attention: tf.Tensor  # float32 [B, side·side, T]
    writing_gate: tf.Tensor  # float32 [B, T, 1]
    response_gate: tf.Tensor  # float32 [B, side, side, 1]
    memory_output: tf.Tensor  # [B, side, side, N_r], o


@keras.saving.register_keras_serializable("dmgan_tf")
class DynamicMemory(keras.layers.Layer):
    """Memory writing, key addressing, value reading and response in one step (DM-GAN, Sec. 3).

    The switches give the rows of the paper's Table 3: all off is AttnGAN's attention (Eq. 6),
    `memory` adds Eq. 3 to 5, `writing_gate` Eq. 7 and 8, `response_gate` Eq. 9. The paper's own
    baseline writes by Eq. 3, but has no separate keys and values: `memory` without
    `separate_values`.

    Args:
        feature_channels: int > 0, N_r.
        memory_channels: int > 0, N_m.
        memory, writing_gate, response_gate: bool, the switches above.
        separate_values: bool, see MemoryReader; without `memory` they never are.
    Inputs: word_features: float [B, T, N_w]; image_features: float [B, side, side, N_r];
        word_mask: bool [B, T], True = real word, or None for the mask that Keras hands over with
        `word_features`, as of `Embedding(mask_zero=True)`; without one every word is real.
    Returns: MemoryResponse; its features are [o, R] without the response gate (Eq. 6), with it the
        gated R alone (`half_output`).
    Raises: ValueError: when `writing_gate` is asked for without `memory`.
    """

    def __init__(
        self,
        feature_channels,
        memory_channels,
        memory=True,
        writing_gate=True,
        response_gate=True,
        separate_values=True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if writing_gate and not memory:
            raise ValueError(
                "`writing_gate` gates what is written to the memory, so it needs `memory=True`. "
                "Received: writing_gate=True, memory=False."
            )
        self.supports_masking = True
        self.feature_channels = feature_channels
        self.memory_channels = memory_channels
        self.memory = memory
        self.writing_gate = writing_gate
        self.response_gate = response_gate
        self.separate_values = separate_values
        policy = self.dtype_policy
        if memory:
            self.writer = MemoryWriter(memory_channels, writing_gate, dtype=policy, name="writer")
        separate = memory and separate_values
        self.reader = MemoryReader(feature_channels, separate, dtype=policy, name="reader")
        if response_gate:
            self.response = ResponseGate(dtype=policy, name="response")

    def build(self, word_features_shape, image_features_shape, word_mask_shape=None):
        memory_shape = word_features_shape
        if self.memory:
            self.writer.build(word_features_shape, image_features_shape)
            memory_shape = (*word_features_shape[:2], self.memory_channels)
        self.reader.build(memory_shape, image_features_shape)
        if self.response_gate:
            self.response.build(image_features_shape)
        self.built = True

    @property
    def half_output(self):
        """Whether the features h stand for [h, h]: the authors' code joins the gated R with itself,
        which costs twice the work and says nothing new.
        """
        return self.response_gate

    def scale_kernels(self, gain):
        """Multiplies the kernels of M_w, M_r, φ_K and φ_V by `gain`: a start that is not silent.

        Nothing without `memory`, where no ReLU silences the words.

        As the authors start them, every pixel reads nearly the same: the two ReLUs leave little of
        what tells one word from another. It changes no function that training can reach.
        """
        if not self.memory:
            return
        layers = [self.writer.word_to_memory]
        if self.separate_values:
            layers += [self.reader.memory_to_key, self.reader.memory_to_value]
        if self.writing_gate:
            layers.append(self.writer.image_to_memory)
        for layer in layers:
            layer.kernel.assign(layer.kernel * gain)

    def call(self, word_features, image_features, word_mask=None, word_features_mask=None):
        word_mask = real_words(word_mask, word_features_mask, word_features)
        if self.memory:
            memory, writing_gate = self.writer(word_features, image_features)
        else:
            memory = word_features
            writing_gate = tf.ones_like(word_features[..., :1], tf.float32)
        output, attention = self.reader(memory, image_features, word_mask)
        if self.response_gate:
            features, response_gate = self.response(image_features, output)
        else:
            response_gate = tf.ones_like(image_features[..., :1], tf.float32)
            features = tf.concat([output, image_features], axis=-1)  # Eq. 6
        return MemoryResponse(features, attention, writing_gate, response_gate, output)

    def compute_mask(self, inputs, previous_mask):
        return None  # pixels have none

    def compute_output_shape(self, word_features_shape, image_features_shape, word_mask_shape=None):
        batch, height, width, channels = image_features_shape
        words = word_features_shape[1]
        return MemoryResponse(
            (batch, height, width, channels if self.response_gate else 2 * channels),
            (batch, height * width if height and width else None, words),
            (batch, words, 1),
            (batch, height, width, 1),
            (batch, height, width, channels),
        )

    def get_config(self):
        return super().get_config() | {
            "feature_channels": self.feature_channels,
            "memory_channels": self.memory_channels,
            "memory": self.memory,
            "writing_gate": self.writing_gate,
            "response_gate": self.response_gate,
            "separate_values": self.separate_values,
        }
