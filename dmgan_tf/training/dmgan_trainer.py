"""One training step of DM-GAN: each discriminator once, then the generator."""

from typing import NamedTuple

import keras
import tensorflow as tf

from dmgan_tf.losses.adversarial import discriminator_loss, fake_loss, generator_loss
from dmgan_tf.losses.conditioning_kl import conditioning_kl
from dmgan_tf.losses.damsm import damsm_losses
from dmgan_tf.training.ema import update_average
from dmgan_tf.training.replicas import (
    all_reduce_sum,
    apply_gradients,
    gather_global,
    global_mean,
    replica_count,
    replica_id,
)


class Text(NamedTuple):
    """A batch's encoded captions."""

    word_features: tf.Tensor  # [B, T, N_w]
    word_mask: tf.Tensor  # bool [B, T]
    sentence_feature: tf.Tensor  # [B, N_w]


class DMGANTrainer(keras.Model):
    """Alternates the discriminators and the generator (DM-GAN, Sec. 3.4; order: authors' code).

    One generator pass; each discriminator's update on real, fake and wrongly captioned pictures;
    the generator's update through the updated discriminators; the moving average. Losses are
    means over the global batch, whatever the replicas.

    Args:
        generator, average_generator: two Generators of one shape; the second holds the EMA.
        discriminators: one per picture size, small to large.
        text_encoder, image_encoder: the frozen DAMSM encoders.
        damsm_weight: float ≥ 0, λ2 (5 CUB, 50 COCO). kl_weight: float ≥ 0, λ1.
        damsm_gammas: (γ1, γ2, γ3). ema_decay: float in [0, 1). ema_warm_up: bool.
    Batch (`train_step`): dict of images: tuple of float [B, side, side, 3], a size each;
        ids: int32 [B, T]; lengths, class_ids: int32 [B]; noise: float [B, N_z];
        condition_noise: float [B, N_c].
    """

    def __init__(
        self,
        generator,
        average_generator,
        discriminators,
        text_encoder,
        image_encoder,
        *,
        damsm_weight=5.0,
        kl_weight=1.0,
        damsm_gammas=(4.0, 5.0, 10.0),
        ema_decay=0.999,
        ema_warm_up=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.generator = generator
        self.average_generator = average_generator
        self.discriminators = tuple(discriminators)
        self.text_encoder = text_encoder
        self.image_encoder = image_encoder
        text_encoder.trainable = image_encoder.trainable = False
        self.damsm_weight = damsm_weight
        self.kl_weight = kl_weight
        self.damsm_gammas = tuple(damsm_gammas)
        self.ema_decay = ema_decay
        self.ema_warm_up = ema_warm_up
        self.built = True

    def compile(self, generator_optimizer, discriminator_optimizers, **kwargs):
        """Takes one optimizer for the generator and one for each discriminator."""
        super().compile(**kwargs)
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizers = tuple(discriminator_optimizers)
        generator_optimizer.build(self.generator.trainable_variables)
        for optimizer, network in zip(
            self.discriminator_optimizers, self.discriminators, strict=True
        ):
            optimizer.build(network.trainable_variables)

    def checkpoint(self):
        """All that a run must find again to go on exactly where it was."""
        return tf.train.Checkpoint(
            generator=self.generator,
            average_generator=self.average_generator,
            discriminators=self.discriminators,
            generator_optimizer=self.generator_optimizer,
            discriminator_optimizers=self.discriminator_optimizers,
        )

    def encode_text(self, batch):
        words, sentence = self.text_encoder(batch["ids"], batch["lengths"])
        mask = tf.sequence_mask(batch["lengths"], tf.shape(batch["ids"])[1])
        return Text(words, mask, sentence)

    def train_step(self, batch):
        """One step on one replica's share of the batch; returns the global batch's scalars."""
        text = self.encode_text(batch)
        scalars = {}
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([v.value for v in self.generator.trainable_variables])
            output = self.generator(
                text.word_features,
                text.word_mask,
                text.sentence_feature,
                batch["noise"],
                batch["condition_noise"],
                training=True,
            )
            with tape.stop_recording():
                for place in range(len(self.discriminators)):
                    scalars |= self._discriminator_step(place, batch, output, text)
            loss, terms = self._generator_loss(batch, output, text)
            scaled_loss = self.generator_optimizer.scale_loss(loss)
        variables = self.generator.trainable_variables
        gradients = tape.gradient(scaled_loss, [v.value for v in variables])
        step = self.generator_optimizer.iterations
        apply_gradients(self.generator_optimizer, gradients, variables)
        update_average(
            self.average_generator, self.generator, self.ema_decay, step, self.ema_warm_up
        )
        return all_reduce_sum(scalars | terms | self._gate_means(output, text.word_mask))

    def _discriminator_step(self, place, batch, output, text):
        network, optimizer = self.discriminators[place], self.discriminator_optimizers[place]
        real, fake = batch["images"][place], tf.stop_gradient(output.images[place])
        wrong_sentence, wrong_weight = self._wrong_sentences(text.sentence_feature)
        size = tf.shape(real)[0]
        # No batch norm there: one pass serves real and fake pictures and all three pairings.
        index = tf.concat([tf.range(2 * size), tf.range(size)], axis=0)
        sentences = [text.sentence_feature, text.sentence_feature, wrong_sentence]
        variables = network.trainable_variables
        with tf.GradientTape() as tape:
            logits = network(
                tf.concat([tf.cast(real, fake.dtype), fake], axis=0),
                tf.concat(sentences, axis=0),
                index,
                training=True,
            )
            real_logits, fake_logits = tf.split(logits.unconditional_logits, 2)
            real_pairs, fake_pairs, wrong_pairs = tf.split(logits.conditional_logits, 3)
            wrong = fake_loss(wrong_pairs) * wrong_weight
            loss = global_mean(
                discriminator_loss(real_logits, real_pairs, fake_logits, fake_pairs, wrong)
            )
            scaled_loss = optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled_loss, variables)
        apply_gradients(optimizer, gradients, variables)
        return {
            f"discriminator_loss/{network.side}": loss,
            f"real_accuracy/{network.side}": _share(real_logits > 0),
            f"fake_accuracy/{network.side}": _share(fake_logits < 0),
            f"wrong_accuracy/{network.side}": global_mean(
                tf.cast(wrong_pairs < 0, tf.float32) * wrong_weight
            ),
        }

    def _wrong_sentences(self, sentence_feature):
        """Sample i's wrong sentence is that of i + 1 in the global batch; the last has none.

        Returns: sentences [B, N_w] and weights [B] whose global mean weighs the B − 1 pairs.
        """
        everyone = tf.stop_gradient(gather_global(sentence_feature))
        local, total = tf.shape(sentence_feature)[0], tf.shape(everyone)[0]
        following = replica_id() * local + tf.range(local) + 1
        pairs = tf.cast(tf.maximum(total - 1, 1), tf.float32)
        weight = tf.cast(following < total, tf.float32) * tf.cast(total, tf.float32) / pairs
        return tf.gather(everyone, following % total), weight

    def _generator_loss(self, batch, output, text):
        """The loss of Eq. 10 and its terms, as this replica's shares of the global values."""
        terms = {}
        for network, fake in zip(self.discriminators, output.images, strict=True):
            logits = network(fake, text.sentence_feature, training=True)
            terms[f"generator_loss/{network.side}"] = global_mean(generator_loss(*logits))
        kl = global_mean(conditioning_kl(output.condition_mean, output.condition_log_variance))
        own = tf.add_n(list(terms.values())) + self.kl_weight * kl
        # Not before the discriminators are done, whose maps would be held at the same time.
        with tf.control_dependencies(list(terms.values())):
            images = tf.identity(output.images[-1])
        sentence_loss, word_loss = self._damsm_losses(images, batch, text)
        # Alike on every replica, each with the gradient of its own samples (`gather_global`):
        # the gradients add up as they are, while the values reported are shared out.
        damsm = self.damsm_weight * (sentence_loss + word_loss)
        terms |= {
            "kl": kl,
            "damsm_sentence": sentence_loss / replica_count(),
            "damsm_word": word_loss / replica_count(),
            "generator_loss": own + damsm / replica_count(),
        }
        return own + damsm, terms

    def _damsm_losses(self, images, batch, text):
        regions, codes = self.image_encoder(images, training=False)
        return damsm_losses(
            (gather_global(regions), gather_global(codes)),
            (gather_global(text.word_features), gather_global(text.sentence_feature)),
            gather_global(text.word_mask),
            gather_global(batch["class_ids"]),
            self.damsm_gammas,
        )

    @staticmethod
    def _gate_means(output, word_mask):
        """Mean gates per refinement, over real words and over pixels."""
        real = tf.cast(word_mask, tf.float32)
        means = {}
        for i, (writing, response) in enumerate(
            zip(output.writing_gates, output.response_gates, strict=True), start=1
        ):
            per_caption = tf.reduce_sum(writing[..., 0] * real, 1) / tf.reduce_sum(real, 1)
            means[f"writing_gate/{i}"] = global_mean(per_caption)
            means[f"response_gate/{i}"] = global_mean(tf.reduce_mean(response, [1, 2, 3]))
        return means


def _share(condition):
    return global_mean(tf.cast(condition, tf.float32))
