"""What exists for CPUs alone: the same values in less time, or with more correct digits.

This is the one door to it, and `_on_one_cpu` the one predicate. Where the answer is None, a layer
computes as everywhere else; to know what a layer computes, nothing in this folder need be read.
"""

import tensorflow as tf

from dmgan_tf.layers.cpu import large_batch_norm, winograd


def _on_one_cpu():
    """Whether a CPU does the work, and as one replica: XLA runs on the first only of several."""
    one_replica = tf.distribute.get_strategy().num_replicas_in_sync == 1
    return one_replica and not tf.config.list_logical_devices("GPU")


def convolution(sides, kernel, upsampled=False):
    """How pictures of these sides (height, width) are convolved fastest here: a Winograd, or None.

    Args: kernel: [3, 3, C, F]. upsampled: bool, whether nearest neighbour ×2 comes first.
    """
    scheme = winograd.UPSAMPLED if upsampled else winograd.PLAIN
    return scheme if _on_one_cpu() and scheme.suits(sides, kernel) else None


def batch_norm(x):
    """`large_batch_norm.normalise` where a batch x is so large that it is needed here, or None."""
    return large_batch_norm.normalise if _on_one_cpu() and large_batch_norm.suits(x) else None
