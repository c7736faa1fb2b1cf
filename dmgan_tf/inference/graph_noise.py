"""The algorithm of `inference.noise` inside a TensorFlow graph."""

import math

import tensorflow as tf

_MASK = 0xFFFFFFFF  # 32 bits, kept in int64: the product's upper half wraps away


def _hash(x):
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, tf.constant(shift, tf.int64)))
        x = tf.bitwise.bitwise_and(x * factor, _MASK)
    return tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, tf.constant(16, tf.int64)))


def seeded_noise_in_graph(seeds: tf.Tensor, size: int) -> tf.Tensor:
    """Standard normal noise float32 [B, size], row i from seeds[i] alone; seeds: int64 [B]."""
    seeds = seeds[:, tf.newaxis]
    low = tf.bitwise.bitwise_and(seeds, _MASK)
    high = tf.bitwise.bitwise_and(tf.bitwise.right_shift(seeds, tf.constant(32, tf.int64)), _MASK)
    start = tf.bitwise.bitwise_and((low + 1) * 0x9E3779B9, _MASK)
    keyed = tf.bitwise.bitwise_and(tf.range(2 * size, dtype=tf.int64) + start, _MASK)
    bits = tf.cast(_hash(tf.bitwise.bitwise_xor(_hash(keyed), _hash(high))), tf.float64)
    first, second = (bits[:, 0::2] + 1.0) * 2.0**-32, bits[:, 1::2] * 2.0**-32
    normal = tf.sqrt(-2.0 * tf.math.log(first)) * tf.cos(2.0 * math.pi * second)
    return tf.cast(normal, tf.float32)
