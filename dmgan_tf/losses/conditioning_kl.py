"""The conditioning augmentation loss L_CA (DM-GAN, Eq. 13)."""

import tensorflow as tf


def conditioning_kl(mean, log_variance):
    """KL divergence of N(μ, σ²) from N(0, I), *averaged* over the dimensions, per sample.

    −½ · mean_d(1 + log σ² − μ² − σ²)

    Args: mean, log_variance: float [B, N_c]. Returns: float32 [B].
    Follows the authors' code: a mean over the dimensions where Eq. 13 has a sum.
    """
    terms = 1.0 + log_variance - tf.square(mean) - tf.exp(log_variance)
    return -0.5 * tf.reduce_mean(terms, axis=-1)
