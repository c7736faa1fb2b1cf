"""Batch norm of large pictures on a CPU, in training, with the gated linear unit behind it.

Sums go along each row first: in one go over a whole batch they would lose three of seven digits.
XLA computes everything from the input and keeps nothing else for the gradient, where TensorFlow's
operations would each write and hold a map.
"""

import tensorflow as tf

# The longest sum over which the CPU's fused kernel, which adds up in one go, keeps five digits.
_LONGEST_FUSED_SUM = 2**15


def suits(x):
    """Whether x [B, height, width, C] is so large that the fused kernel would lose digits."""
    if len(x.shape) != 4:
        return False
    size = x.shape.num_elements()
    return size is None or size // x.shape[-1] > _LONGEST_FUSED_SUM


def normalise(x, scale, offset, epsilon, gated):
    """Each channel over the batch; then, if `gated`, halves the channels as GatedLinearUnit does.

    Args: x: float [B, height, width, C]; scale, offset: float32 [C]; epsilon: added to the
        variance.
    Returns: y, of x's dtype; mean and unbiased variance, float32 [C], which have no gradient.
    """
    count = tf.cast(tf.size(x) // x.shape[-1], tf.float32)

    @tf.custom_gradient
    def run(x, scale, offset):
        mean = _total(_row_sums(x)) / count
        variance = _total(_row_squares(x, mean)) / count
        inverse = tf.math.rsqrt(variance + epsilon)
        affine = mean, inverse, scale, offset

        def gradient(upstream, *_):
            sums = [_total(rows) for rows in _row_gradients(x, *affine, upstream, gated)]
            of_offset, of_scale = (tf.concat(halves, axis=0) for halves in (sums[::2], sums[1::2]))
            pulls = of_offset / count, of_scale / count
            halves = _input_gradients(x, *affine, upstream, *pulls, gated)
            return tf.concat(halves, axis=-1), of_scale, of_offset

        y = _output(x, *affine, gated)
        return (y, mean, variance * count / (count - 1.0)), gradient

    return run(x, scale, offset)


def _compiled(function):
    return tf.function(function, jit_compile=True, autograph=False)


def _total(rows):
    return tf.reduce_sum(rows, axis=[0, 1])  # of [B, height, C]; XLA would sum all in one go


@_compiled
def _row_sums(x):
    return tf.reduce_sum(tf.cast(x, tf.float32), axis=2)


@_compiled
def _row_squares(x, mean):
    return tf.reduce_sum(tf.square(tf.cast(x, tf.float32) - mean), axis=2)


@_compiled
def _output(x, mean, inverse, scale, offset, gated):
    halves = [
        n * factor + shift for n, factor, shift in _parts(x, mean, inverse, scale, offset, gated)
    ]
    return tf.cast(halves[0] * tf.sigmoid(halves[1]) if gated else halves[0], x.dtype)


@_compiled
def _row_gradients(x, mean, inverse, scale, offset, upstream, gated):
    """By parts of the channels: row sums of gradients, and of those times the normal values."""
    sums = []
    for normal, gradient in _gradients(x, mean, inverse, scale, offset, upstream, gated):
        sums += [tf.reduce_sum(gradient, axis=2), tf.reduce_sum(gradient * normal, axis=2)]
    return sums


@_compiled
def _input_gradients(x, mean, inverse, scale, offset, upstream, of_offset, of_scale, gated):
    """By each part of x; the last two: mean gradients by offset and scale."""
    parts = 2 if gated else 1
    pairs = _gradients(x, mean, inverse, scale, offset, upstream, gated)
    pulls = zip(*(tf.split(v, parts) for v in (inverse * scale, of_offset, of_scale)), strict=True)
    return [
        tf.cast((gradient - constant - normal * along) * factor, x.dtype)
        for (normal, gradient), (factor, constant, along) in zip(pairs, pulls, strict=True)
    ]


def _gradients(x, mean, inverse, scale, offset, upstream, gated):
    """(normal values, gradient by scaled and shifted values) of each part of the channels."""
    upstream = tf.cast(upstream, tf.float32)
    parts = _parts(x, mean, inverse, scale, offset, gated)
    if not gated:
        return [(parts[0][0], upstream)]
    (value, value_scale, value_offset), (gate, gate_scale, gate_offset) = parts
    share = tf.sigmoid(gate * gate_scale + gate_offset)
    to_gate = upstream * (value * value_scale + value_offset) * share * (1.0 - share)
    return [(value, upstream * share), (gate, to_gate)]


def _parts(x, mean, inverse, scale, offset, gated):
    """(normal values, scale, offset) of all channels, or of values and of gates."""
    normal = (tf.cast(x, tf.float32) - mean) * inverse
    if not gated:
        return [(normal, scale, offset)]
    return list(zip(*(tf.split(v, 2, axis=-1) for v in (normal, scale, offset)), strict=True))
