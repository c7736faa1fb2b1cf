"""Spectral normalisation that keeps the kernel and lets the gradient pass through σ."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("dmgan_tf")
class SpectralNormConv2D(keras.layers.Layer):
    """Convolution with the kernel W / σ(W), σ the largest singular value (Miyato et al., 2018).

    σ = uᵀ W v with u, v from one power iteration a training pass, W seen as [out, in·kh·kw];
    u and v are constants to the gradient, W is not. The stored kernel is never overwritten.
    σ is computed in float32 whatever the compute dtype.

    Args:
        filters: int > 0, output channels.
        kernel_size: int > 0, side of the kernel.
        strides: int > 0; with `same` padding, as everywhere in the discriminators.
        epsilon: float > 0, keeps the normalisation of u and v from dividing by 0.
    Inputs: x: float [B, side, side, C]. `training=True` advances u.
    Returns: float [B, side/strides, side/strides, filters].
    """

    def __init__(self, filters, kernel_size, strides=1, epsilon=1e-12, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.epsilon = epsilon

    def build(self, input_shape):
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.kernel_size, self.kernel_size, input_shape[-1], self.filters),
            initializer=keras.initializers.Orthogonal(),
            autocast=False,
        )
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")
        self.u = self.add_weight(
            name="u",
            shape=(self.filters,),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            trainable=False,
            dtype="float32",
            autocast=False,
        )
        self.built = True

    def call(self, x, training=False):
        kernel = tf.convert_to_tensor(self.kernel)
        y = _convolve(x, kernel, self.sigma(training), self.strides)
        return tf.cast(y + tf.cast(self.bias, tf.float32), x.dtype)

    def sigma(self, training=False):
        """The largest singular value σ of the kernel, float32 scalar; training advances u."""
        kernel = tf.convert_to_tensor(self.kernel)
        matrix = tf.reshape(kernel, [-1, self.filters])  # [kh·kw·in, out]
        constant = tf.stop_gradient(matrix)
        u = self._unit(tf.convert_to_tensor(self.u))
        v = self._unit(tf.linalg.matvec(constant, u))
        if training:
            u = self._unit(tf.linalg.matvec(constant, v, transpose_a=True))
            self.u.assign(u)
        return tf.reduce_sum(tf.linalg.matvec(matrix, u) * v)

    def _unit(self, vector):
        return vector / (tf.norm(vector) + self.epsilon)

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape
        scaled = tuple(side and -(-side // self.strides) for side in (height, width))
        return (batch, *scaled, self.filters)

    def get_config(self):
        return super().get_config() | {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "epsilon": self.epsilon,
        }


def _convolve(x, kernel, sigma, strides):
    """float32 convolution of x with kernel / σ, whose gradient holds nothing but x.

    σ divides the outputs, as kernels of many channels are larger than what comes out; and it takes
    its gradient from the kernel's: Σ upstream · output = Σ kernel · gradient of the kernel.
    """
    options = {"strides": [1, strides, strides, 1], "padding": "SAME"}

    @tf.custom_gradient
    def run(x, kernel, sigma):
        def gradient(upstream):
            upstream = tf.cast(upstream / sigma, x.dtype)
            to_x = tf.raw_ops.Conv2DBackpropInput(
                input_sizes=tf.shape(x),
                filter=tf.cast(kernel, x.dtype),
                out_backprop=upstream,
                **options,
            )
            to_kernel = tf.raw_ops.Conv2DBackpropFilter(
                input=x, filter_sizes=tf.shape(kernel), out_backprop=upstream, **options
            )
            to_kernel = tf.cast(to_kernel, tf.float32)
            products = tf.reduce_sum(kernel * to_kernel, axis=[0, 1, 2])
            return to_x, to_kernel, -tf.reduce_sum(products) / sigma

        y = tf.nn.conv2d(x, tf.cast(kernel, x.dtype), strides, "SAME")
        return tf.cast(y, tf.float32) / sigma, gradient

    return run(x, kernel, sigma)
