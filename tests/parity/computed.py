"""What this project computes for the keys of a pair: by their names, in the files' layout.

It goes the ways that users go: the networks of `build`, and the trainer's own `train_step`. More
may be computed than a file holds.
"""

from functools import cached_property

import numpy as np
import tensorflow as tf
from parity.reference import Pair

from dmgan_tf.interop.authors_layout import to_authors
from dmgan_tf.losses.damsm import (
    matching_loss,
    sentence_similarity,
    word_similarity,
    word_weights,
)

_STORED_ENTRIES = 12
_STORED_SIDE = 32
_ATTENTION_STRIDE = 8
_REGIONS_SIDE, _REGION_STRIDE = 17, 4

Values = dict[str, np.ndarray]


class Computed:
    """Each method computes a part of the keys; networks are built when first asked for."""

    def __init__(self, pair: Pair):
        self.pair = pair

    @cached_property
    def text_encoder(self):
        return self.pair.text_encoder()

    @cached_property
    def image_encoder(self):
        return self.pair.image_encoder()

    @cached_property
    def generator(self):
        return self.pair.generator()

    @cached_property
    def image_features(self):
        """(regions, code) of the largest real pictures."""
        return self.image_encoder(self.pair.images(self.pair.sides[-1]))

    def _encode(self, batch):
        words, sentence = self.text_encoder(batch["ids"], batch["lengths"])
        return words, tf.sequence_mask(batch["lengths"], words.shape[1]), sentence

    def _draw(self, batch, training=False):
        noise = batch["noise"], batch["condition_noise"]
        return self.generator(*self._encode(batch), *noise, training=training)

    def text(self) -> Values:
        """Word features up to the longest caption, and sentence features."""
        values = {}
        for prefix in ("", "var_"):
            batch = self.pair.batch(prefix)
            words, _, sentence = self._encode(batch)
            longest = int(max(batch["lengths"]))
            values[f"text/{prefix}words"] = words.numpy()[:, :longest].transpose(0, 2, 1)
            values[f"text/{prefix}sentence"] = sentence.numpy()
        return values

    def inference(self) -> Values:
        """The generator with its moving statistics: pictures, condition and attention."""
        batch = self.pair.batch()
        output = self._draw(batch)
        values = _pictures("g_eval", output.images)
        values["g_eval/mu"] = output.condition_mean.numpy()
        values["g_eval/logvar"] = output.condition_log_variance.numpy()
        longest = int(max(batch["lengths"]))
        for side, attention in zip(self.pair.sides, output.attention, strict=False):
            maps = attention.numpy()[..., :longest].transpose(0, 2, 1)  # [B, T, side²]
            maps = maps.reshape(*maps.shape[:2], side, side)
            strided = maps[..., ::_ATTENTION_STRIDE, ::_ATTENTION_STRIDE]
            values[f"g_eval/attention_{side}_strided"] = strided
        return values

    def unequal_lengths_alone(self) -> Values:
        """Captions of unequal lengths, each drawn alone."""
        batch = self.pair.batch("var_")
        batch = {key: value for key, value in batch.items() if key != "images"}
        drawn = []
        for row in range(len(batch["ids"])):
            drawn.append(self._draw({k: v[row : row + 1] for k, v in batch.items()}).images)
        return _pictures(
            "g_eval_var", [np.concatenate(parts) for parts in zip(*drawn, strict=True)]
        )

    def unequal_lengths_together(self) -> Values:
        """The same captions in one batch."""
        return _pictures("g_eval_var", self._draw(self.pair.batch("var_")).images)

    def training_mode(self) -> Values:
        """The generator with the batch's statistics."""
        images = self._draw(self.pair.batch(), training=True).images
        self.pair.load(self.generator, "generator")  # the moving statistics have moved
        return _pictures("g_train", images)

    def image(self) -> Values:
        """Regions and code of the real pictures."""
        regions, code = (tensor.numpy() for tensor in self.image_features)
        maps = regions.reshape(len(regions), _REGIONS_SIDE, _REGIONS_SIDE, -1)
        return {
            "image_encoder/regions_strided": _channels_first(maps, _REGION_STRIDE),
            "image_encoder/regions_mean_std": np.stack([maps.mean((1, 2)), maps.std((1, 2))]),
            "image_encoder/code": code,
        }

    def damsm(self) -> Values:
        """Both losses both ways with and without classes, and the first caption's attention."""
        batch, gammas = self.pair.batch("var_"), self.pair.config.damsm.gammas
        words, mask, sentences = self._encode(batch)
        regions, codes = self.image_features
        by_words = word_similarity(regions, words, mask, *gammas[:2])
        by_sentence = sentence_similarity(codes, sentences)
        values = {}
        for name, class_ids in (("", batch["class_ids"]), ("_no_class", None)):
            for kind, similarity in (("sentence", by_sentence), ("word", by_words)):
                losses = matching_loss(similarity, gammas[2], class_ids)
                values[f"damsm/{kind}_losses{name}"] = np.array(losses)
        weights = word_weights(regions[:1], words[:1], mask[:1], gammas[0]).numpy()[0, :, 0]
        attention = (weights / weights.sum(0)).T[np.newaxis]  # AttnGAN Eq. 9
        attention = attention[:, : int(batch["lengths"][0])]  # [1, T, 289]
        shape = (*attention.shape[:2], _REGIONS_SIDE, _REGIONS_SIDE)
        values["damsm/attention_0"] = attention.reshape(shape)
        return values

    def steps(self) -> Values:
        """Training steps on one batch: losses, gradient norms, and what every parameter became."""
        trainer = self.pair.trainer(self.text_encoder, self.image_encoder)
        # A class each: the reference was trained without telling classes apart.
        batch = self.pair.batch() | {"class_ids": tf.range(self.pair.config.training.batch_size)}
        step_function = tf.function(lambda batch: _step_and_gradients(trainer, batch))
        values: Values = {}
        for step in range(1, self.pair.steps + 1):
            scalars, gradients = step_function(batch)
            if step == 1:
                values |= self._norms(gradients)
            values |= _losses(f"train/step{step}", scalars, self.pair.sides)
            for network in (trainer.generator, *trainer.discriminators):
                values |= stored(f"train/step{step}/{network.name}", to_authors(network))
        average = f"train/step{self.pair.steps}/generator_ema"
        return values | stored(average, to_authors(trainer.average_generator))

    def _norms(self, gradients) -> Values:
        """Norm of each gradient; put into a generator they get the authors' names."""
        for variable, gradient in zip(self.generator.trainable_variables, gradients, strict=True):
            variable.assign(gradient)
        named = to_authors(self.generator)
        self.pair.load(self.generator, "generator")
        return {f"grad_g/{name}": np.array([np.linalg.norm(a)]) for name, a in named.items()}


def _channels_first(images, stride):
    return np.asarray(images)[:, ::stride, ::stride].transpose(0, 3, 1, 2)


def _pictures(prefix, images) -> Values:
    values = {}
    for image in map(np.asarray, images):
        name, side = f"{prefix}/image_{image.shape[1]}", image.shape[1]
        values[f"{name}_strided"] = _channels_first(image, side // _STORED_SIDE)
        values[f"{name}_mean_std"] = np.stack([image.mean((1, 2)), image.std((1, 2))])
    return values


def _step_and_gradients(trainer, batch):
    """The trainer's step, and the gradients that it gave to the generator's optimizer."""
    optimizer, gradients = trainer.generator_optimizer, []
    apply = optimizer.apply_gradients

    def record(pairs):
        pairs = list(pairs)
        gradients.extend(gradient for gradient, _ in pairs)
        return apply(pairs)

    optimizer.apply_gradients = record
    try:
        return trainer.train_step(batch), gradients
    finally:
        optimizer.apply_gradients = apply


def _losses(prefix, scalars, sides) -> Values:
    scalars = {name: float(value) for name, value in scalars.items()}
    return {
        f"{prefix}/d_losses": np.array([scalars[f"discriminator_loss/{side}"] for side in sides]),
        f"{prefix}/g_loss_without_kl": np.array(scalars["generator_loss"] - scalars["kl"]),
        f"{prefix}/kl": np.array(scalars["kl"]),
    }


def stored(prefix: str, state: dict[str, np.ndarray]) -> Values:
    """Mean, standard deviation and evenly spaced entries of each tensor of a state dict."""
    values = {}
    for name, array in state.items():
        flat = array.ravel().astype(np.float64)
        places = np.linspace(0, flat.size - 1, min(_STORED_ENTRIES, flat.size)).astype(int)
        values[f"{prefix}/{name}"] = np.array([flat.mean(), flat.std(), *flat[places]])
    return values
