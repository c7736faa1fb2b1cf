"""The three steps of the dynamic memory, a layer each: write words, read by pixel, blend in.

Notation of DM-GAN (arXiv:1904.01310), Sec. 3.1 to 3.3: R = `image_features`, w_i =
`word_features`, m_i = `memory`, α = `attention`, o = `memory_output`, g^w, g^r = the two gates.

Gates, and the softmax of attention, are float32 under every policy. That is meant: in 16 bits a
sigmoid or a softmax near 0 or 1 has no digits left. Attention's logits, and what gates and
attention weigh, are of the compute dtype.
"""

import keras
import tensorflow as tf


def _projection(size, dtype, name, **options):
    """A 1×1 convolution over words or pixels: a dense layer over the last axis.

    Orthogonal, as the authors initialise every convolution and dense layer.
    """
    return keras.layers.Dense(
        size,
        kernel_initializer=keras.initializers.Orthogonal(),
        dtype=dtype,
        name=name,
        **options,
    )


def _mean_over_pixels(image_features):
    """[B, side, side, N_r] → [B, 1, N_r], float32 so that 16,384 pixels add up in any policy."""
    mean = tf.reduce_mean(tf.cast(image_features, tf.float32), axis=[1, 2])
    return tf.cast(mean[:, tf.newaxis, :], image_features.dtype)


def real_words(word_mask, keras_mask, words):
    """The mask given, else the one that Keras hands over with `words`, else every word is real."""
    if word_mask is not None:
        return word_mask
    return tf.ones(tf.shape(words)[:2], tf.bool) if keras_mask is None else keras_mask


@keras.saving.register_keras_serializable("dmgan_tf")
class MemoryWriter(keras.layers.Layer):
    """Writes one memory slot a word, weighing each word by what the picture already shows.

    g_i = σ(A·w_i + B·mean(R))                          (Eq. 7)
    m_i = M_w(w_i)·g_i + M_r(mean(R))·(1 − g_i)         (Eq. 8)
    m_i = M_w(w_i), without the gate                    (Eq. 3)

    Args:
        memory_channels: int > 0, N_m.
        gated: bool, the writing gate; False writes the words alone.
    Inputs: word_features: float [B, T, N_w]; image_features: float [B, side, side, N_r].
    Returns: (memory [B, T, N_m], writing_gate [B, T, 1], float32 under every policy); values at
        padded words are unspecified.
    Keras' mask of `word_features` goes on with the memory.
    Follows the authors' code: ReLU behind M_w and M_r, no gradient through mean(R).
    """

    def __init__(self, memory_channels, gated=True, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.memory_channels = memory_channels
        self.gated = gated
        policy = self.dtype_policy
        relu = {"activation": "relu"}
        self.word_to_memory = _projection(memory_channels, policy, "word_to_memory", **relu)
        if gated:
            self.image_to_memory = _projection(memory_channels, policy, "image_to_memory", **relu)
            self.word_to_gate = _projection(1, "float32", "word_to_gate", use_bias=False)
            self.image_to_gate = _projection(1, "float32", "image_to_gate", use_bias=False)

    def build(self, word_features_shape, image_features_shape):
        self.word_to_memory.build(word_features_shape)
        if self.gated:
            pooled_shape = (None, 1, image_features_shape[-1])
            self.word_to_gate.build(word_features_shape)
            self.image_to_gate.build(pooled_shape)
            self.image_to_memory.build(pooled_shape)
        self.built = True

    def call(self, word_features, image_features):
        if not self.gated:
            memory = self.word_to_memory(word_features)  # Eq. 3
            return memory, tf.ones_like(memory[..., :1], tf.float32)
        pooled = tf.stop_gradient(_mean_over_pixels(image_features))  # [B, 1, N_r]
        gate = tf.sigmoid(self.word_to_gate(word_features) + self.image_to_gate(pooled))  # Eq. 7
        blend = tf.cast(gate, self.compute_dtype)
        from_words = self.word_to_memory(word_features)
        from_image = self.image_to_memory(pooled)
        return from_words * blend + from_image * (1 - blend), gate  # Eq. 8

    def compute_mask(self, inputs, previous_mask):
        return previous_mask, None

    def compute_output_shape(self, word_features_shape, image_features_shape):
        words = tuple(word_features_shape[:2])
        return (*words, self.memory_channels), (*words, 1)

    def get_config(self):
        return super().get_config() | {
            "memory_channels": self.memory_channels,
            "gated": self.gated,
        }


@keras.saving.register_keras_serializable("dmgan_tf")
class MemoryReader(keras.layers.Layer):
    """Lets each pixel address the memory by key and read its values.

    α_ij = softmax over words of φ_K(m_i)ᵀ r_j          (Eq. 4)
    o_j  = Σ_i α_ij · φ_V(m_i)                          (Eq. 5)

    Args:
        feature_channels: int > 0, N_r.
        separate_values: bool; False is AttnGAN's attention, where one linear projection of the
            words serves as key and as value (the baseline of Table 3).
    Inputs: memory: float [B, T, N_m]; image_features: float [B, side, side, N_r];
        word_mask: bool [B, T], True = real word, or None for the mask that Keras hands over with
        `memory`; without one every word is real.
    Returns: (memory_output [B, side, side, N_r], attention [B, side·side, T], float32 under every
        policy); a padded word gets exactly zero attention.
    Differs from the authors' code: there row r of the batch takes the mask of sample r mod B.
    """

    def __init__(self, feature_channels, separate_values=True, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.feature_channels = feature_channels
        self.separate_values = separate_values
        policy = self.dtype_policy
        if separate_values:
            relu = {"activation": "relu"}
            self.memory_to_key = _projection(feature_channels, policy, "memory_to_key", **relu)
            self.memory_to_value = _projection(feature_channels, policy, "memory_to_value", **relu)
        else:
            self.word_projection = _projection(
                feature_channels, policy, "word_projection", use_bias=False
            )

    def build(self, memory_shape, image_features_shape, word_mask_shape=None):
        if image_features_shape[-1] != self.feature_channels:
            raise ValueError(
                "`feature_channels` must equal the channels of `image_features`. Received: "
                f"feature_channels={self.feature_channels}, "
                f"image_features of shape {tuple(image_features_shape)}."
            )
        if self.separate_values:
            self.memory_to_key.build(memory_shape)
            self.memory_to_value.build(memory_shape)
        else:
            self.word_projection.build(memory_shape)
        self.built = True

    def call(self, memory, image_features, word_mask=None, memory_mask=None):
        word_mask = real_words(word_mask, memory_mask, memory)
        if self.separate_values:
            key, value = self.memory_to_key(memory), self.memory_to_value(memory)  # [B, T, N_r]
        else:
            key = value = self.word_projection(memory)
        shape = tf.shape(image_features)
        height, width = image_features.shape[1:3]
        count = height * width if height and width else -1  # static where it can be, for exports
        pixels = tf.reshape(image_features, [shape[0], count, self.feature_channels])  # [B, N, N_r]
        logits = tf.cast(tf.matmul(pixels, key, transpose_b=True), tf.float32)
        # The lowest finite number, not −inf: a row of padding alone then stays free of NaN.
        logits = tf.where(word_mask[:, tf.newaxis, :], logits, logits.dtype.min)
        attention = tf.nn.softmax(logits, axis=-1)  # Eq. 4, [B, N, T]
        output = tf.matmul(tf.cast(attention, value.dtype), value)  # Eq. 5, [B, N, N_r]
        return tf.reshape(output, shape), attention

    def compute_mask(self, inputs, previous_mask):
        return None  # pixels have none

    def compute_output_shape(self, memory_shape, image_features_shape, word_mask_shape=None):
        batch, height, width, _ = image_features_shape
        pixels = height * width if height and width else None
        return tuple(image_features_shape), (batch, pixels, memory_shape[1])

    def get_config(self):
        return super().get_config() | {
            "feature_channels": self.feature_channels,
            "separate_values": self.separate_values,
        }


@keras.saving.register_keras_serializable("dmgan_tf")
class ResponseGate(keras.layers.Layer):
    """Decides per pixel how much of what was read replaces the picture's own features.

    g_j = σ(W·[r_j, o_j] + b),  r_j ← o_j·g_j + r_j·(1 − g_j)           (Eq. 9)

    Inputs: image_features, memory_output: float [B, side, side, N_r].
    Returns: (image_features [B, side, side, N_r], response_gate [B, side, side, 1], float32 under
        every policy).
    """

    def build(self, image_features_shape, memory_output_shape=None):
        self.gate = _projection(1, "float32", "gate", activation="sigmoid")
        self.gate.build((*image_features_shape[:-1], 2 * image_features_shape[-1]))
        self.built = True

    def call(self, image_features, memory_output):
        gate = self.gate(tf.concat([image_features, memory_output], axis=-1))
        blend = tf.cast(gate, image_features.dtype)
        return memory_output * blend + image_features * (1 - blend), gate

    def compute_output_shape(self, image_features_shape, memory_output_shape=None):
        return tuple(image_features_shape), (*image_features_shape[:-1], 1)
