"""What the memory does while it learns, as scalars."""

import tensorflow as tf

from dmgan_tf.models.generator import GeneratorOutput
from dmgan_tf.training.replicas import global_mean


def memory_means(output: GeneratorOutput, word_mask: tf.Tensor) -> dict[str, tf.Tensor]:
    """Shares of the global means, per refinement: gates, attention, and what pixels read.

    writing_gate, response_gate: means over real words and over pixels. attention_entropy: of
    each pixel's attention, as a share of that of a uniform one. memory_deviation: of o over the
    pixels of a picture, mean over channels; near 0 where every pixel reads the same.
    """
    real = tf.cast(word_mask, tf.float32)
    count = tf.reduce_sum(real, axis=1)
    means: dict[str, tf.Tensor] = {}
    for i, (writing, response, attention, read) in enumerate(
        zip(
            output.writing_gates,
            output.response_gates,
            output.attention,
            output.memory_outputs,
            strict=True,
        ),
        start=1,
    ):
        entropy = -tf.reduce_sum(tf.math.xlogy(attention, attention), axis=2)  # [B, N]
        uniform = tf.math.log(tf.maximum(count, 2.0))  # one word alone has no entropy
        deviation = tf.math.reduce_std(read, axis=[1, 2])  # [B, N_r]
        values = {
            "writing_gate": tf.reduce_sum(writing[..., 0] * real, axis=1) / count,
            "response_gate": tf.reduce_mean(response, axis=[1, 2, 3]),
            "attention_entropy": tf.reduce_mean(entropy, axis=1) / uniform,
            "memory_deviation": tf.reduce_mean(deviation, axis=1),
        }
        means |= {f"{name}/{i}": global_mean(value) for name, value in values.items()}
    return means
