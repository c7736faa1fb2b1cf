"""Adversarial losses as functions of logits (DM-GAN, Eq. 11 and 12, in the authors' weighting)."""

import tensorflow as tf


def real_loss(logits):
    """Binary cross-entropy against "real", −log σ(logits), per sample. float [B] → float32 [B]."""
    return tf.nn.softplus(-tf.cast(logits, tf.float32))


def fake_loss(logits):
    """Binary cross-entropy against "fake", −log(1 − σ(logits)), per sample."""
    return tf.nn.softplus(tf.cast(logits, tf.float32))


def discriminator_loss(
    real_logits, conditional_real_logits, fake_logits, conditional_fake_logits, wrong_loss
):
    """Loss of one discriminator, per sample (Eq. 12).

    (real + cond_real) / 2 + (fake + cond_fake + cond_wrong) / 3

    Args: logits: float [B] each; wrong_loss: float [B], `fake_loss` of real pictures held against
        another picture's sentence, weighted so that its mean over the batch is that over the pairs.
    Returns: float32 [B].
    Differs from the paper: its Eq. 12 has no wrong sentences and one factor ½ for all terms.
    """
    real = real_loss(real_logits) + real_loss(conditional_real_logits)
    fake = fake_loss(fake_logits) + fake_loss(conditional_fake_logits) + wrong_loss
    return real / 2.0 + fake / 3.0


def generator_loss(fake_logits, conditional_fake_logits):
    """Loss of the generator at one picture size, per sample (Eq. 11, not halved).

    Args: logits: float [B] each. Returns: float32 [B].
    """
    return real_loss(fake_logits) + real_loss(conditional_fake_logits)
