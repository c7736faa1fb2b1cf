"""What a DMGANTrainer is given: checked, and built where it is not built yet."""

import keras
import tensorflow as tf

from dmgan_tf.training.discriminator_step import label
from dmgan_tf.training.ema import start_average
from dmgan_tf.training.trainer import build_once

_WEIGHTS = "damsm_weight", "kl_weight", "gradient_penalty", "picture_weight", "perceptual_weight"


def check_arguments(trainer: keras.Model) -> None:
    """Raises ValueError when a number is out of its range, or networks don't fit together."""
    trainer.augmentation.check()
    trainer.damsm_augmentation.check()
    for name in _WEIGHTS:
        value = getattr(trainer, name)
        if not value >= 0:
            raise ValueError(f"`{name}` must not be negative. Received: {name}={value}.")
    if not 0 <= trainer.ema_decay < 1:
        raise ValueError(
            f"`ema_decay` must lie in [0, 1). Received: ema_decay={trainer.ema_decay}."
        )
    if not trainer.all_discriminators:
        raise ValueError("`discriminators` and `feature_discriminators` are both empty.")
    if trainer.perceptual_weight and not trainer.feature_maps:
        raise ValueError(
            "`perceptual_weight` needs `feature_maps`, in which it compares pictures. "
            f"Received: perceptual_weight={trainer.perceptual_weight}."
        )
    sides = [network.side for network in trainer.discriminators]
    if unknown := sorted(set(sides) - set(trainer.generator.sides)):
        raise ValueError(
            "`discriminators` must have sides of the generator's pictures, "
            f"{', '.join(map(str, trainer.generator.sides))}. Received: a side of {unknown[0]}."
        )
    labels = [label(network) for network in trainer.all_discriminators]
    for network in trainer.all_discriminators:
        if labels.count(label(network)) > 1:
            raise ValueError(
                "Discriminators need names that differ behind `discriminator_`, by which their "
                f"losses are logged: give `name`. Received twice: {label(network)}."
            )
    _check_maps(trainer.feature_discriminators, trainer.feature_maps, trainer.image_encoder)


def _check_maps(discriminators, numbers, encoder):
    if len(discriminators) != len(numbers):
        raise ValueError(
            "`feature_maps` must name a map for each of `feature_discriminators`. "
            f"Received: {len(numbers)} maps, {len(discriminators)} discriminators."
        )
    if not discriminators:
        return
    if not all(hasattr(encoder, name) for name in ("map_shapes", "feature_maps", "with_maps")):
        raise ValueError(
            "`feature_discriminators` need an `image_encoder` with maps, such as CompactEncoder or "
            "EfficientNetLite0Encoder. "
            f"Received: {type(encoder).__name__}."
        )
    last = len(encoder.map_shapes)
    if not all(1 <= number <= last for number in numbers):
        raise ValueError(
            f"`feature_maps` must be numbers from 1 to {last}, the image encoder's maps. "
            f"Received: {list(numbers)}."
        )


def build_networks(trainer: keras.Model) -> None:
    """Builds what is not built yet, the average as a copy of the generator."""
    word_size = trainer.text_encoder.feature_size
    build_once(trainer.text_encoder)
    build_once(trainer.image_encoder)
    build_once(trainer.generator, (None, None, word_size))
    for network in trainer.all_discriminators:
        pictures = (None, network.side, network.side, network.channels)
        build_once(network, pictures, (None, word_size))
    if not trainer.average_generator.built:
        trainer.average_generator.build((None, None, word_size))
        start_average(trainer.average_generator, trainer.generator)


def build_optimizers(trainer: keras.Model) -> None:
    """Builds all; ValueError where there is not one for each discriminator."""
    names = [network.name for network in trainer.all_discriminators]
    optimizers = trainer.discriminator_optimizers
    if len(optimizers) != len(names):
        raise ValueError(
            f"`discriminator_optimizers` must be {len(names)}, one for each of "
            f"{', '.join(names)}. Received: {len(optimizers)}."
        )
    trainer.generator_optimizer.build(trainer.generator.trainable_variables)
    for optimizer, network in zip(optimizers, trainer.all_discriminators, strict=True):
        optimizer.build(network.trainable_variables)


def augmentation_noise(batch: dict[str, tf.Tensor]) -> tf.Tensor:
    """That of a batch; ValueError where the pipeline was not asked for it."""
    if "augmentation_noise" not in batch:
        raise ValueError(
            "An augmentation needs `augmentation_noise` in the batch. Received: "
            f"{', '.join(batch)}. "
            "`PipelineOptions.augmentation_shape`, (sizes + 1, 2, NOISE_SIZE), asks for it."
        )
    return batch["augmentation_noise"]
