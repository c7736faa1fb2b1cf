"""Adversarial losses as functions of logits (DM-GAN, Eq. 11 and 12, in the authors' weighting)."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf


def real_loss(logits):
    """Binary cross-entropy against "real", −log σ(logits), per sample. float [B] → float32 [B]."""
    return tf.nn.softplus(-tf.cast(logits, tf.float32))


def fake_loss(logits):
    """Binary cross-entropy against "fake", −log(1 − σ(logits)), per sample."""
    return tf.nn.softplus(tf.cast(logits, tf.float32))


class AdversarialLoss(NamedTuple):
    """Losses of logits, per sample; float [B] → float32 [B]."""

    real: Callable  # a discriminator's, of real pictures
    fake: Callable  # a discriminator's, of drawn pictures and of wrong sentences
    drawn: Callable  # the generator's, of drawn pictures


CROSS_ENTROPY = AdversarialLoss(real_loss, fake_loss, real_loss)  # the paper's

# max(0, 1 − D), max(0, 1 + D) and −D (Lim and Ye, 2017, arXiv:1705.02894): a discriminator learns
# nothing more of what it tells apart by a margin of 1.
HINGE = AdversarialLoss(
    lambda logits: tf.nn.relu(1.0 - tf.cast(logits, tf.float32)),
    lambda logits: tf.nn.relu(1.0 + tf.cast(logits, tf.float32)),
    lambda logits: -tf.cast(logits, tf.float32),
)

LOSSES = {"cross_entropy": CROSS_ENTROPY, "hinge": HINGE}  # as configs name them


def discriminator_loss(
    real_logits,
    conditional_real_logits,
    fake_logits,
    conditional_fake_logits,
    wrong_logits,
    wrong_weight=1.0,
    loss=CROSS_ENTROPY,
):
    """Loss of one discriminator, per sample (Eq. 12).

    (real + cond_real) / 2 + (fake + cond_fake + weight · cond_wrong) / 3

    Args: logits: float [B] each, the last of real pictures held against another's sentence.
        wrong_weight: float32 [B], with which the mean over the batch is that over the wrong pairs.
        loss: AdversarialLoss.
    Returns: float32 [B].
    Differs from the paper: its Eq. 12 has no wrong sentences and one factor ½ for all terms.
    """
    real = loss.real(real_logits) + loss.real(conditional_real_logits)
    fake = loss.fake(fake_logits) + loss.fake(conditional_fake_logits)
    return real / 2.0 + (fake + wrong_weight * loss.fake(wrong_logits)) / 3.0


def generator_loss(fake_logits, conditional_fake_logits, loss=CROSS_ENTROPY):
    """Loss of the generator at one picture size, per sample (Eq. 11, not halved).

    Args: logits: float [B] each. loss: AdversarialLoss. Returns: float32 [B].
    """
    return loss.drawn(fake_logits) + loss.drawn(conditional_fake_logits)
