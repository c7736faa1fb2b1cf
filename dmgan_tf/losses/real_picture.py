"""How far drawn pictures are from their real ones, where a caption tells what its picture shows.

Captions do not tell crops and flips, so with these the losses favour blurred pictures.
"""

from collections.abc import Sequence

import tensorflow as tf

_SMALLEST = 0.01


def picture_distance(real_images: Sequence[tf.Tensor], drawn_images: Sequence[tf.Tensor]):
    """Mean over stages of the mean of |x̂ − x| (Isola et al., 2017, arXiv:1611.07004).

    Args: real_images, drawn_images: float [B, side, side, 3] each, a stage each.
    Returns: float32 [B]; 0: the same pictures.
    """
    distances = [
        tf.reduce_mean(tf.abs(tf.cast(drawn, tf.float32) - tf.cast(real, tf.float32)), [1, 2, 3])
        for real, drawn in zip(real_images, drawn_images, strict=True)
    ]
    return tf.reduce_mean(tf.stack(distances), axis=0)


def perceptual_distance(real_maps: Sequence[tf.Tensor], drawn_maps: Sequence[tf.Tensor]):
    """Mean over maps k of ‖φ_k(x̂) − φ_k(x)‖ / ‖φ_k(x)‖, the norms means of absolute values.

    The perceptual loss (Johnson et al., 2016, arXiv:1603.08155), with absolute differences. Each
    map's is a share of the real picture's, so that maps of all scales count alike; a real map whose
    norm is below 0.01, such as one that a ReLU made empty, counts as if it had that.

    Args: real_maps, drawn_maps: float [B, side, side, C] each, of the same network.
    Returns: float32 [B]; 0: the same maps.
    """
    distances = []
    for real, drawn in zip(real_maps, drawn_maps, strict=True):
        real, drawn = tf.cast(real, tf.float32), tf.cast(drawn, tf.float32)
        difference = tf.reduce_mean(tf.abs(drawn - real), axis=[1, 2, 3])
        size = tf.reduce_mean(tf.abs(real), axis=[1, 2, 3])
        distances.append(difference / tf.maximum(size, _SMALLEST))
    return tf.reduce_mean(tf.stack(distances), axis=0)
