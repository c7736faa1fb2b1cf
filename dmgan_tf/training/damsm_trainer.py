"""One pretraining step of the DAMSM encoders: match captions and pictures."""

import keras
import tensorflow as tf

from dmgan_tf.losses.damsm import damsm_losses
from dmgan_tf.training.replicas import (
    all_reduce_sum,
    apply_clipped,
    gather_global,
    replica_count,
)
from dmgan_tf.training.trainer import Trainer, build_once


@keras.saving.register_keras_serializable("dmgan_tf")
class DAMSMTrainer(Trainer):
    """Trains text and image encoder on the DAMSM loss (AttnGAN, Sec. 3.2).

    Args:
        text_encoder, image_encoder: the encoders, which are built if they are not yet; frozen
            parts of the latter stay as they are.
        gammas: (γ1, γ2, γ3). clip_norm: float > 0, for the joint gradient of the text encoder.
        class_negatives: bool, whether pictures of one class are negatives of each other.
    Batch (`train_step`): as DMGANTrainer's; the largest picture, ids, lengths,
        class_ids count, and dropout_noise: float [B, T, embedding_size].
    """

    def __init__(
        self,
        text_encoder,
        image_encoder,
        *,
        gammas=(4.0, 5.0, 10.0),
        class_negatives=False,
        clip_norm=0.25,
        **kwargs,
    ):
        super().__init__(**kwargs)
        build_once(text_encoder)
        build_once(image_encoder)
        self.text_encoder = text_encoder
        self.image_encoder = image_encoder
        self.gammas = tuple(gammas)
        self.class_negatives = class_negatives
        self.clip_norm = clip_norm
        self.built = True

    def compile(self, optimizer, *, jit_compile=False, **kwargs):
        """Takes the optimizer of both encoders, which train in float32.

        Raises: ValueError: for one that scales losses.
        """
        if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            raise ValueError(
                "The encoders train in float32, where no loss is scaled: give the optimizer inside "
                "of LossScaleOptimizer."
            )
        super().compile(optimizer, jit_compile=jit_compile, **kwargs)
        self.encoder_optimizer = optimizer
        optimizer.build(self._variables())

    def checkpoint(self):
        """All that a run must find again to go on exactly where it was."""
        return tf.train.Checkpoint(
            text_encoder=self.text_encoder,
            image_encoder=self.image_encoder,
            optimizer=self.encoder_optimizer,
        )

    def _variables(self):
        return self.text_encoder.trainable_variables + self.image_encoder.trainable_variables

    def train_step(self, batch):
        """One step on one replica's share of the batch; returns the global batch's scalars."""
        variables = self._variables()
        with tf.GradientTape() as tape:
            sentence_loss, word_loss = self._damsm_losses(batch, training=True)
            loss = sentence_loss + word_loss
        gradients = tape.gradient(loss, variables)
        clipped = self.text_encoder.trainable_variables
        apply_clipped(self.encoder_optimizer, gradients, variables, clipped, self.clip_norm)
        return _scalars(sentence_loss, word_loss)

    def test_step(self, batch):
        """The same scalars, without dropout, by the moving statistics; nothing moves."""
        return _scalars(*self._damsm_losses(batch, training=False))

    def _damsm_losses(self, batch, training):
        """Sentence and word loss of the global batch."""
        mask = tf.sequence_mask(batch["lengths"], tf.shape(batch["ids"])[1])
        dropout_noise = batch["dropout_noise"] if training else None
        text = self.text_encoder(batch["ids"], batch["lengths"], dropout_noise)
        image = self.image_encoder(batch["images"][-1], training=training)
        return damsm_losses(
            [gather_global(x) for x in image],
            [gather_global(x) for x in text],
            gather_global(mask),
            None if self.class_negatives else gather_global(batch["class_ids"]),
            self.gammas,
        )


def _scalars(sentence_loss, word_loss):
    losses = {"damsm_sentence": sentence_loss, "damsm_word": word_loss}
    losses["loss"] = sentence_loss + word_loss
    return all_reduce_sum({name: value / replica_count() for name, value in losses.items()})
