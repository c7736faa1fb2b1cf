"""Features of pictures and captions for the metrics; the only file here that runs a network."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf


def image_code_function(image_encoder, batch_size: int = 64) -> Callable[[np.ndarray], np.ndarray]:
    """A function from uint8 pictures [N, side, side, 3] to DAMSM's image codes float32 [N, C]."""
    encode = tf.function(
        lambda images: image_encoder(images, training=False), reduce_retracing=True
    )

    def codes(images: np.ndarray) -> np.ndarray:
        parts = []
        for start in range(0, len(images), batch_size):
            batch = tf.cast(images[start : start + batch_size], tf.float32) / 127.5 - 1.0
            parts.append(encode(batch)[1].numpy())
        return np.concatenate(parts)

    return codes


@tf.function(reduce_retracing=True)
def _sentence_features(text_encoder, ids, lengths):
    return text_encoder(ids, lengths)[1]


def sentence_features(
    text_encoder, ids: np.ndarray, lengths: np.ndarray, batch_size: int = 256
) -> np.ndarray:
    """Sentence features float32 [N, C] of captions given as ids int32 [N, T] and lengths [N]."""
    parts = [
        _sentence_features(
            text_encoder, ids[start : start + batch_size], lengths[start : start + batch_size]
        ).numpy()
        for start in range(0, len(ids), batch_size)
    ]
    return np.concatenate(parts)
