"""One training step of DM-GAN: each discriminator once, then the generator."""

from typing import NamedTuple

import keras
import tensorflow as tf

from dmgan_tf.layers.augmentation import Augmentation, augment
from dmgan_tf.losses.adversarial import generator_loss
from dmgan_tf.losses.conditioning_kl import conditioning_kl
from dmgan_tf.losses.damsm import damsm_losses
from dmgan_tf.losses.real_picture import perceptual_distance, picture_distance
from dmgan_tf.training.discriminator_step import discriminator_step, label
from dmgan_tf.training.dmgan_arguments import (
    augmentation_noise,
    build_networks,
    build_optimizers,
    check_arguments,
)
from dmgan_tf.training.ema import update_average
from dmgan_tf.training.memory_means import memory_means
from dmgan_tf.training.replicas import (
    all_reduce_sum,
    apply_gradients,
    following_rows,
    gather_global,
    global_mean,
    replica_count,
)
from dmgan_tf.training.trainer import Trainer

_ENCODER = -1  # its place behind the stages


class Text(NamedTuple):
    """A batch's encoded captions.

    With a prior, own and wrong sentence are both completed by what the same real picture shows.
    Otherwise a discriminator could tell a wrong sentence by its surroundings alone.
    """

    word_features: tf.Tensor  # [B, T, N_w]
    word_mask: tf.Tensor  # bool [B, T]
    sentence_feature: tf.Tensor  # [B, N_w], what DAMSM's loss sees
    completed_sentence: tf.Tensor  # [B, N_w], what generator and discriminators see
    wrong_sentence: tf.Tensor  # [B, N_w], of the sample that follows in the global batch
    wrong_weight: tf.Tensor  # [B], of `following_rows`

    @property
    def sentences(self):
        """Those of `discriminator_step`."""
        return self.completed_sentence, self.wrong_sentence, self.wrong_weight


@keras.saving.register_keras_serializable("dmgan_tf")
class DMGANTrainer(Trainer):
    """Alternates the discriminators and the generator (DM-GAN, Sec. 3.4; order: authors' code).

    One generator pass; each discriminator's update on real, fake and wrongly captioned pictures;
    the generator's update through the updated discriminators; the moving average. Losses are
    means over the global batch, whatever the replicas.

    Args:
        generator, average_generator: two Generators of one shape; the second holds the EMA. With
            an adapted prior, sentences are completed by what the real picture shows.
        discriminators: any number, small to large; each judges the picture of its `side`.
        text_encoder, image_encoder: the frozen DAMSM encoders.
            What of these is not built yet is built, the average as a copy of the generator.
        damsm_weight: float ≥ 0, λ2 (5 CUB, 50 COCO). kl_weight: float ≥ 0, λ1.
        damsm_gammas: (γ1, γ2, γ3). ema_decay: float in [0, 1). ema_warm_up: bool.
        feature_discriminators: one for each of `feature_maps`, numbers of the image encoder's maps
            from 1: D_l sees F_l(x), map l of the frozen encoder for the largest picture x, and has
            the loss ℓ of those of pictures: adversarial loss Σ_s ℓ(D_s(x_s)) + Σ_l ℓ(D_l(F_l(x)))
            (after Projected GAN, Sauer et al., 2021, arXiv:2111.01007, Eq. 2).
        augmentation: Augmentation of real and drawn pictures before a discriminator.
        damsm_augmentation: Augmentation of the drawn pictures before the image encoder, and of the
            real ones that the feature discriminators see, alike with a `perceptual_weight`.
        gradient_penalty: float ≥ 0, `strength` of `penalty_gradients`; 0: none.
        picture_weight: float ≥ 0, of the `picture_distance` between drawn pictures and the
            caption's real one; 0: none.
        perceptual_weight: float ≥ 0, of the `perceptual_distance` between the last drawn picture
            and the caption's real one, in `feature_maps`; 0: none.
    Batch (`train_step`): dict of images: tuple of float [B, side, side, 3], a size each;
        ids: int32 [B, T]; lengths, class_ids: int32 [B]; noise: float [B, N_z];
        condition_noise: float [B, N_c]; with an augmentation augmentation_noise:
        float [B, sizes + 1, 2, NOISE_SIZE] in [0, 1), for each size and at last for the image
        encoder, real and drawn.
    Raises: ValueError: when a strength is out of its range, networks don't fit together, or a
        batch lacks the noise of an augmentation.
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
        feature_discriminators=(),
        feature_maps=(),
        augmentation=(),
        damsm_augmentation=(),
        gradient_penalty=0.0,
        picture_weight=0.0,
        perceptual_weight=0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.generator = generator
        self.average_generator = average_generator
        self.discriminators = tuple(discriminators)
        self.feature_discriminators = tuple(feature_discriminators)
        self.feature_maps = tuple(feature_maps)
        self.augmentation = Augmentation(*augmentation)
        self.damsm_augmentation = Augmentation(*damsm_augmentation)
        self.gradient_penalty = gradient_penalty
        self.picture_weight = picture_weight
        self.perceptual_weight = perceptual_weight
        self.text_encoder = text_encoder
        self.image_encoder = image_encoder
        self.damsm_weight = damsm_weight
        self.kl_weight = kl_weight
        self.damsm_gammas = tuple(damsm_gammas)
        self.ema_decay = ema_decay
        self.ema_warm_up = ema_warm_up
        check_arguments(self)
        self._stages = tuple(generator.sides.index(d.side) for d in self.discriminators)
        build_networks(self)
        text_encoder.trainable = image_encoder.trainable = average_generator.trainable = False
        self.built = True

    @property
    def all_discriminators(self):
        """Those of pictures, small to large, then those of features."""
        return (*self.discriminators, *self.feature_discriminators)

    def compile(
        self, generator_optimizer, discriminator_optimizers, *, jit_compile=False, **kwargs
    ):
        """Takes one optimizer for the generator and one for each discriminator.

        `optimizer`, which Keras' callbacks look at, is the generator's.
        """
        super().compile(generator_optimizer, jit_compile=jit_compile, **kwargs)
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizers = tuple(discriminator_optimizers)
        build_optimizers(self)

    def checkpoint(self):
        """All that a run must find again to go on exactly where it was."""
        return tf.train.Checkpoint(
            generator=self.generator,
            average_generator=self.average_generator,
            discriminators=self.all_discriminators,
            generator_optimizer=self.generator_optimizer,
            discriminator_optimizers=self.discriminator_optimizers,
        )

    def encode_text(self, batch):
        """The Text of a batch."""
        words, sentence = self.text_encoder(batch["ids"], batch["lengths"])
        mask = tf.sequence_mask(batch["lengths"], tf.shape(batch["ids"])[1])
        wrong, weight = following_rows(sentence)
        completed = sentence
        if prior := self.generator.prior:
            _, image_code = self.image_encoder(batch["images"][-1], training=False)
            completed, wrong = (s + prior.untold(s, image_code) for s in (sentence, wrong))
        return Text(words, mask, sentence, completed, wrong, weight)

    def draw(self, text, batch):
        """The GeneratorOutput of a batch and its Text, as training draws it."""
        return self.generator(
            text.word_features,
            text.word_mask,
            text.completed_sentence,
            batch["noise"],
            batch["condition_noise"],
            training=True,
        )

    def train_step(self, batch):
        """One step on one replica's share of the batch; returns the global batch's scalars."""
        text = self.encode_text(batch)
        scalars = {}
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([v.value for v in self.generator.trainable_variables])
            output = self.draw(text, batch)
            drawn = [self._augmented(output.images[i], batch, i, 1) for i in self._stages]
            encoded, real_maps = None, []
            if self.feature_discriminators:  # they need the image encoder's pass before it is due
                encoded, maps = self._encode_image(output.images[-1], batch)
                drawn += maps
                real_maps = self._real_maps(batch)
            with tape.stop_recording():
                for place, real in enumerate(self._real(batch, real_maps)):
                    scalars |= self._discriminator_step(place, real, drawn[place], text)
            loss, terms = self._generator_loss(batch, output, text, drawn, encoded, real_maps)
            scaled_loss = self.generator_optimizer.scale_loss(loss)
        variables = self.generator.trainable_variables
        gradients = tape.gradient(scaled_loss, [v.value for v in variables])
        apply_gradients(self.generator_optimizer, gradients, variables)
        step = self.generator_optimizer.iterations
        update_average(
            self.average_generator, self.generator, self.ema_decay, step, self.ema_warm_up
        )
        return all_reduce_sum(scalars | terms | memory_means(output, text.word_mask))

    def test_step(self, batch):
        """There is none: the losses of a GAN do not say how good its pictures are."""
        raise NotImplementedError(
            "DMGANTrainer cannot `evaluate` or take `validation_data`: the losses of a GAN do not "
            "say how good its pictures are. Use `dmgan evaluate`, or give `fit` the callback "
            "`dmgan_tf.training.callbacks.Evaluation` with a score of your own."
        )

    def _augmented(self, images, batch, place, drawn):
        """What discriminators of stage `place`, or _ENCODER, see of real (0) or drawn (1) ones."""
        chosen = self.damsm_augmentation if place == _ENCODER else self.augmentation
        if not chosen:
            return images
        return augment(images, augmentation_noise(batch)[:, place, drawn], chosen)

    def _encode_image(self, images, batch):
        """One pass of the image encoder: regions and code, and the chosen maps."""
        encoded, maps = self.image_encoder.with_maps(self._augmented(images, batch, _ENCODER, 1))
        return encoded, [maps[number - 1] for number in self.feature_maps]

    def _real_maps(self, batch):
        """The chosen maps of real pictures, shifted as the drawn ones where they are compared."""
        shifted_as = 1 if self.perceptual_weight else 0
        images = self._augmented(batch["images"][-1], batch, _ENCODER, shifted_as)
        maps = self.image_encoder.feature_maps(images)
        return [maps[number - 1] for number in self.feature_maps]

    def _real(self, batch, maps):
        """What each of `all_discriminators` sees of the real pictures, one after the other."""
        for stage in self._stages:
            yield self._augmented(batch["images"][stage], batch, stage, 0)
        yield from maps

    def _discriminator_step(self, place, real, fake, text):
        penalty = None
        if self.gradient_penalty:
            penalty = self.generator_optimizer.iterations, self.gradient_penalty
        network, optimizer = self.all_discriminators[place], self.discriminator_optimizers[place]
        return discriminator_step(network, optimizer, real, fake, text.sentences, penalty)

    def _generator_loss(self, batch, output, text, drawn, encoded=None, real_maps=()):
        """The loss of Eq. 10 and its terms, as this replica's shares of the global values.

        Args: drawn: what each of `all_discriminators` sees of the drawn pictures. encoded: regions
            and code of the last one, where they are known already. real_maps: of `_real_maps`.
        """
        terms = {}
        for network, fake in zip(self.all_discriminators, drawn, strict=True):
            logits = network(fake, text.completed_sentence, training=True)
            terms[f"generator_loss/{label(network)}"] = global_mean(generator_loss(*logits))
        kl = global_mean(conditioning_kl(output.condition_mean, output.condition_log_variance))
        own = tf.add_n(list(terms.values())) + self.kl_weight * kl
        if self.picture_weight:
            distance = global_mean(picture_distance(batch["images"], output.images))
            own += self.picture_weight * distance
            terms["picture"] = distance
        if self.perceptual_weight:
            drawn_maps = drawn[len(self.discriminators) :]
            distance = global_mean(perceptual_distance(real_maps, drawn_maps))
            own += self.perceptual_weight * distance
            terms["perceptual"] = distance
        if encoded is None:
            # Not before the discriminators are done, whose maps would be held at the same time.
            with tf.control_dependencies(list(terms.values())):
                images = tf.identity(output.images[-1])
            images = self._augmented(images, batch, _ENCODER, 1)
            encoded = self.image_encoder(images, training=False)
        sentence_loss, word_loss = self._damsm_losses(encoded, batch, text)
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

    def _damsm_losses(self, encoded, batch, text):
        return damsm_losses(
            tuple(map(gather_global, encoded)),
            (gather_global(text.word_features), gather_global(text.sentence_feature)),
            gather_global(text.word_mask),
            gather_global(batch["class_ids"]),
            self.damsm_gammas,
        )
