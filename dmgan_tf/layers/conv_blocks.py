"""The convolutional blocks that generator and discriminators are built from."""

import keras
import tensorflow as tf

from dmgan_tf.layers.batch_norm import BatchNorm, gated_linear_unit
from dmgan_tf.layers.convolutions import convolve, upsample_and_convolve
from dmgan_tf.layers.spectral_norm import SpectralNormConv2D


def orthogonal_conv(filters, dtype, name=None):
    """3×3 convolution without bias, as every convolution of the generator."""
    return keras.layers.Conv2D(
        filters,
        3,
        padding="same",
        use_bias=False,
        kernel_initializer=keras.initializers.Orthogonal(),
        dtype=dtype,
        name=name,
    )


def scaled_batch_norm(dtype, name=None, gated=False):
    """Batch norm whose scale starts at N(1, 0.02), as the authors initialise it."""
    initializer = keras.initializers.RandomNormal(mean=1.0, stddev=0.02)
    return BatchNorm(scale_initializer=initializer, gated=gated, dtype=dtype, name=name)


@keras.saving.register_keras_serializable("dmgan_tf")
class GatedLinearUnit(keras.layers.Layer):
    """First half of the channels times the sigmoid of the second (Dauphin et al., 2017).

    Inputs: x: float [B, ..., 2C].
    Returns: float [B, ..., C].
    Raises: ValueError: when the number of channels is odd.
    """

    def build(self, input_shape):
        if input_shape[-1] % 2:
            raise ValueError(
                "GatedLinearUnit halves its channels, so their number must be even. "
                f"Received: input_shape={tuple(input_shape)}."
            )
        self.built = True

    def call(self, x):
        return gated_linear_unit(x)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] // 2)


@keras.saving.register_keras_serializable("dmgan_tf")
class UpsampleBlock(keras.layers.Layer):
    """Doubles the side: nearest neighbour ×2, 3×3 convolution, batch norm, gated linear unit.

    Args: filters: int > 0, output channels. padding: see `upsample_and_convolve`.
    Inputs: x: float [B, side, side, C].
    Returns: float [B, 2·side, 2·side, filters].
    """

    def __init__(self, filters, padding="zeros", **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.padding = padding
        self.batch_norm = scaled_batch_norm(self.dtype_policy, "batch_norm", gated=True)

    def build(self, input_shape):
        self.kernel = self.add_weight(
            name="kernel",
            shape=(3, 3, input_shape[-1], 2 * self.filters),
            initializer=keras.initializers.Orthogonal(),
        )
        self.batch_norm.build((None, None, None, 2 * self.filters))
        self.built = True

    def call(self, x, training=False):
        x = upsample_and_convolve(x, tf.convert_to_tensor(self.kernel), self.padding)
        return self.batch_norm(x, training=training)

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape
        return (batch, height and 2 * height, width and 2 * width, self.filters)

    def get_config(self):
        return super().get_config() | {"filters": self.filters, "padding": self.padding}


@keras.saving.register_keras_serializable("dmgan_tf")
class ResidualBlock(keras.layers.Layer):
    """x + BN(conv(GLU(BN(conv(x))))) with 3×3 convolutions without bias.

    Args: half_input: bool, whether the input is h, which stands for x = [h, h], as
        `DynamicMemory.half_output` says: the first convolution then works on h with the halves of
        its kernel added, exactly in float32 and with half the multiplications. padding: see
        `convolve`.
    Inputs: x: float [B, side, side, C]; or h: float [B, side, side, C/2].
    Returns: float [B, side, side, C].
    """

    def __init__(self, half_input=False, padding="zeros", **kwargs):
        super().__init__(**kwargs)
        self.half_input = half_input
        self.padding = padding

    def build(self, input_shape):
        input_shape = self.compute_output_shape(input_shape)
        channels = input_shape[-1]
        policy = self.dtype_policy
        self.conv_in = orthogonal_conv(2 * channels, policy, "conv_in")
        self.batch_norm_in = scaled_batch_norm(policy, "batch_norm_in", gated=True)
        self.conv_out = orthogonal_conv(channels, policy, "conv_out")
        self.batch_norm_out = scaled_batch_norm(policy, "batch_norm_out")
        self.conv_in.build(input_shape)
        self.batch_norm_in.build((*input_shape[:-1], 2 * channels))
        self.conv_out.build(input_shape)
        self.batch_norm_out.build(input_shape)
        self.built = True

    def call(self, x, training=False):
        kernel_in, kernel_out = (
            tf.cast(conv.kernel, self.compute_dtype) for conv in (self.conv_in, self.conv_out)
        )
        if self.half_input:
            kernel_in = tf.add_n(tf.split(kernel_in, 2, axis=2))
        y = self.batch_norm_in(convolve(x, kernel_in, self.padding), training=training)
        y = convolve(y, kernel_out, self.padding)
        # Joined here and not before, so that nothing holds the joined copy for the gradient.
        x = tf.concat([x, x], axis=-1) if self.half_input else x
        return x + self.batch_norm_out(y, training=training)

    def compute_output_shape(self, input_shape):
        *rest, channels = input_shape
        return (*rest, 2 * channels if self.half_input else channels)

    def get_config(self):
        return super().get_config() | {"half_input": self.half_input, "padding": self.padding}


@keras.saving.register_keras_serializable("dmgan_tf")
class DownsampleBlock(keras.layers.Layer):
    """Halves the side: 4×4 convolution of stride 2 with spectral norm, leaky ReLU 0.2.

    With `kernel_size=3, strides=1` it is the block that only changes the number of channels.

    Inputs: x: float [B, side, side, C].
    Returns: float [B, side/strides, side/strides, filters].
    """

    def __init__(self, filters, kernel_size=4, strides=2, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.conv = SpectralNormConv2D(
            filters, kernel_size, strides, dtype=self.dtype_policy, name="conv"
        )

    def build(self, input_shape):
        self.conv.build(input_shape)
        self.built = True

    def call(self, x, training=False):
        return _leaky_relu(self.conv(x, training=training))

    def compute_output_shape(self, input_shape):
        return self.conv.compute_output_shape(input_shape)

    def get_config(self):
        return super().get_config() | {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
        }


@keras.saving.register_keras_serializable("dmgan_tf")
class JointBlock(keras.layers.Layer):
    """A 3×3 `DownsampleBlock` of stride 1 over [features, sentence feature tiled over the map].

    The tiled sentence is the same at every place, so that a convolution over it sees nothing but
    sums of kernel rows and columns: nine different ones, at the corners, the borders and inside.
    They are taken once, exactly, and features that meet several sentences are convolved once.

    Args: filters: int > 0, output channels.
    Inputs: features: float [B, side, side, C], side ≥ 2; sentence_feature: float [P, N_w];
        image_index: int32 [P] or None, which features each sentence is joined to.
    Returns: float [P, side, side, filters].
    """

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.conv = SpectralNormConv2D(filters, 3, dtype=self.dtype_policy, name="conv")

    def build(self, features_shape, sentence_feature_shape, image_index_shape=None):
        if features_shape[1] < 2:
            raise ValueError(
                f"`features` must have a side of 2 or more. Received: {tuple(features_shape)}."
            )
        channels = features_shape[-1] + sentence_feature_shape[-1]
        self.conv.build((*features_shape[:-1], channels))
        self.built = True

    def call(self, features, sentence_feature, image_index=None, training=False):
        sizes = [features.shape[-1], sentence_feature.shape[-1]]
        of_features, of_sentence = tf.split(tf.convert_to_tensor(self.conv.kernel), sizes, axis=2)
        y = tf.nn.conv2d(features, tf.cast(of_features, features.dtype), 1, "SAME")
        y = tf.cast(y, tf.float32)
        y = y if image_index is None else tf.gather(y, image_index)
        y += self._of_sentence(sentence_feature, of_sentence, features.shape[1])
        y = y / self.conv.sigma(training) + tf.cast(self.conv.bias, tf.float32)
        return _leaky_relu(tf.cast(y, features.dtype))

    def _of_sentence(self, sentence_feature, kernel, side):
        """What the convolution gives for the tiled sentence: float32 [P, side, side, filters]."""
        borders = tf.constant(_BORDERS)
        rows = tf.tensordot(borders, kernel, 1)  # [3, 3, N_w, filters]
        sums = tf.matmul(borders, tf.reshape(rows, [3, 3, -1]))
        size = kernel.shape[2]
        y = tf.matmul(tf.cast(sentence_feature, tf.float32), tf.reshape(sums, [9, size, -1]))
        place = [3 * row + column for row in _places(side) for column in _places(side)]
        y = tf.transpose(tf.gather(y, place), [1, 0, 2])
        return tf.reshape(y, [-1, side, side, self.filters])

    def compute_output_shape(self, features_shape, sentence_feature_shape, image_index_shape=None):
        return (sentence_feature_shape[0], *features_shape[1:3], self.filters)

    def get_config(self):
        return super().get_config() | {"filters": self.filters}


# Which rows of a 3×3 kernel fall on the map at its first row, inside, and at its last.
_BORDERS = [[0.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, 0.0]]


def _places(side):
    """Which of _BORDERS each row has."""
    return [0, *[1] * (side - 2), 2]


@tf.custom_gradient
def _leaky_relu(x):
    """Slope 0.2; the gradient holds the output, which the next layer holds anyhow."""
    y = tf.nn.leaky_relu(x, 0.2)
    return y, lambda upstream: tf.raw_ops.LeakyReluGrad(gradients=upstream, features=y, alpha=0.2)
