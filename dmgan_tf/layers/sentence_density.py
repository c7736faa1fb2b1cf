"""p(e | s) of `CaptionPrior`: a mixture of Gaussians whose weights depend on the sentence.

    p(e | s) = Σ π_m(s) N(μ_m + B s, σ_m²),  π(s) = softmax(C s + c)

This is a mixture of experts (Jacobs et al., 1991) with a linear gate, whose experts share the slope
B. A linear gate generalises to sentences unlike every training caption: docs/recipes.md.

A `density` is (C, c, B, μ, log σ): [D, M], [M], [D, size], [M, size], [M, size].
"""

import numpy as np
import tensorflow as tf

COMPONENTS = 16  # M, Gaussians of the mixture
_LEAST, _MOST = -3.0, 2.0  # log σ
_STEPS, _BATCH, _RATE = 1000, 256, 1e-2
_STEPS_PER_CHECK = 20
_HELD_OUT = 5  # every fifth picture, by chance


def gate(s, density):
    """log π(s) [B, M] and B s [B, size], of sentences s [B, D]."""
    kernel, bias, shift_kernel, *_ = density
    return tf.nn.log_softmax(tf.matmul(s, kernel) + bias), tf.matmul(s, shift_kernel)


def log_density(e, s, density):
    """log p(e | s), float [B], of e [B, size] and s [B, D]."""
    log_shares, shift = gate(s, density)
    means, log_deviations = density[3:]
    distances = ((e - shift)[:, tf.newaxis] - means) / tf.exp(log_deviations)
    logs = log_shares - tf.reduce_sum(0.5 * tf.square(distances) + log_deviations, axis=2)
    return tf.reduce_logsumexp(logs, axis=1) - 0.5 * e.shape[1] * np.log(2 * np.pi)


def held_out(pictures, captions):
    """Which rows, a caption each, are of pictures to decide by: bool [pictures · captions]."""
    chosen = np.random.default_rng(0).permutation(pictures) < max(1, pictures // _HELD_OUT)
    return chosen.repeat(captions)


def learn_density(s, e, shift_kernel, captions):
    """The density by maximum likelihood, the same each time.

    Every 20 steps it is tried on held-out pictures; the best is returned.

    Args: s: float [N, D], sentences; e: float [N, size]. `captions` rows in sequence are of one
        picture. shift_kernel: float [D, size], B at the start.
    Returns: C, c, B, μ and log σ, arrays.
    """
    rng = np.random.default_rng(0)
    mean, scale = s.mean(axis=0), max(s.std(axis=0).mean(), 1e-12)
    s, shift_kernel = (s - mean) / scale, shift_kernel * scale
    is_held_out = held_out(len(s) // captions, captions)
    pictures = (e - s @ shift_kernel)[~is_held_out][::captions]
    density = [
        np.zeros((s.shape[1], COMPONENTS)),
        np.zeros(COMPONENTS),
        shift_kernel,
        _far_apart(pictures, COMPONENTS, rng),
        np.full((COMPONENTS, e.shape[1]), -1.0),
    ]
    density = [tf.constant(value, tf.float32) for value in density]
    moments = [[tf.zeros_like(value) for value in density] for _ in range(2)]
    s, e = np.float32(s), np.float32(e)
    learned = np.flatnonzero(~is_held_out)

    @tf.function
    def mean_log_density(density):
        return tf.reduce_mean(log_density(e[is_held_out], s[is_held_out], density))

    best, kept = float(mean_log_density(density)), density
    for i in range(1, _STEPS + 1):
        rows = rng.choice(learned, _BATCH)
        density, moments = _adam_step(density, moments, tf.constant(float(i)), e[rows], s[rows])
        if i % _STEPS_PER_CHECK == 0:
            found = float(mean_log_density(density))
            best, kept = max((best, kept), (found, density), key=lambda pair: pair[0])
    # Of sentences as they are, not centred and scaled.
    kernel, bias, shift_kernel, means, log_deviations = (value.numpy() for value in kept)
    kernel, shift_kernel = kernel / scale, shift_kernel / scale
    return kernel, bias - mean @ kernel, shift_kernel, means - mean @ shift_kernel, log_deviations


def _far_apart(x, count, rng):
    """Some of x [N, size], each drawn by its squared distance from those before (k-means++)."""
    chosen, distances = [x[rng.integers(len(x))]], np.inf
    for _ in range(count - 1):
        distances = np.minimum(distances, np.square(x - chosen[-1]).sum(axis=1) + 1e-12)
        chosen.append(x[rng.choice(len(x), p=distances / distances.sum())])
    return np.stack(chosen)


@tf.function
def _adam_step(density, moments, i, e, s):
    """Step i, from 1, of Adam at a rate that falls by a cosine.

    On tensors, not on variables: those would be a strategy's where `adapt` is called in its scope.
    """
    with tf.GradientTape() as tape:
        tape.watch(density)
        loss = -tf.reduce_mean(log_density(e, s, density))
    gradients = tape.gradient(loss, density)
    rate = _RATE * 0.5 * (1 + tf.cos(np.pi * (i - 1) / _STEPS))
    means = [0.9 * m + 0.1 * g for m, g in zip(moments[0], gradients, strict=True)]
    squares = [0.999 * v + 0.001 * g * g for v, g in zip(moments[1], gradients, strict=True)]
    scales = 1 - 0.9**i, 1 - 0.999**i
    *moved, log_deviations = (
        value - rate * mean / scales[0] / (tf.sqrt(square / scales[1]) + 1e-7)
        for value, mean, square in zip(density, means, squares, strict=True)
    )
    return [*moved, tf.clip_by_value(log_deviations, _LEAST, _MOST)], [means, squares]
