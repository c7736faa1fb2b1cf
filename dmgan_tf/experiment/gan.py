"""Training of DM-GAN around encoders that are there."""

import logging
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from dmgan_tf import build
from dmgan_tf.chief import is_chief
from dmgan_tf.config import Config
from dmgan_tf.data.encoded_captions import encode_all
from dmgan_tf.data.pipeline import read_pictures
from dmgan_tf.errors import UserError
from dmgan_tf.experiment.encoders import check_encoders, encoders_of
from dmgan_tf.experiment.prior import adapt_prior, prior_pairs
from dmgan_tf.experiment.run import Task, run
from dmgan_tf.experiment.watchers import evaluation, progress, sample_grids
from dmgan_tf.inference.model_directory import (
    load_metadata,
    load_network,
    load_vocabulary,
    resolve,
    save_model,
)
from dmgan_tf.inference.text_to_image import TextToImage
from dmgan_tf.models.generator import Generator
from dmgan_tf.training.replicas import every_worker, take_from_first_replica
from dmgan_tf.training.run_folder import RunFolder, settle

_LOOKED_AT = 64  # pictures, for their colours

_LOGGER = logging.getLogger(__name__)


def train(config: Config, directory: str | Path, strategy, resume: bool = False) -> Path:
    """Trains DM-GAN into a run's folder; returns its model directory.

    Raises: UserError, Interrupted.
    """
    directory, section = Path(directory), config.training
    settle(directory, strategy)
    build.check_batch_size("training.batch_size", section.batch_size, strategy.num_replicas_in_sync)
    build.check_feature_maps(config)
    if is_chief():
        _warn_of_flips_and_crops(config)
    folder = RunFolder(config, directory, resume)
    pictures = build.pictures(config, "train")
    check_pictures(config, resume)
    encoders = encoders_of(config, directory, strategy, resume)
    vocabulary = load_vocabulary(encoders)
    # A caption without known words is told before the folder is made.
    encode_all(pictures, vocabulary)
    with strategy.scope():
        text = load_network(encoders, "text_encoder")
        image = load_network(encoders, "image_encoder")
        check_encoders(config, text, image, encoders, directory)
        trainer = build.dmgan_trainer(config, text, image)
    every_worker(strategy, True)  # the chief writes over what the others have now read
    average, max_words = trainer.average_generator, config.data.max_words_evaluation
    artist = TextToImage(average, text, vocabulary, max_words, quiet=True)
    written = {"average_generator": average}
    shown = {"G": "generator_loss", "D": f"discriminator_loss/{config.generator.sides[-1]}"}
    task = Task(
        config=config,
        folder=folder,
        strategy=strategy,
        trainer=trainer,
        written=written,
        pictures=pictures,
        vocabulary=vocabulary,
        options=build.pipeline_options(config),
        batch_size=section.batch_size,
        last_step=section.steps,
    )

    def save(step, found, name="model", **metadata):
        metadata |= {"step": step, "max_words": max_words}
        generator = found["average_generator"]
        networks = {"generator": generator, "text_encoder": text, "image_encoder": image}
        save_model(folder.path / name, networks, vocabulary, config.to_yaml(), **metadata)

    def save_best(step, scores):
        save(step, written, "best", **scores)

    def watchers(writer, first_step):
        return [
            *progress(task, writer, first_step, shown),
            sample_grids(task, writer, artist),
            evaluation(task, writer, artist, image, save_best),
        ]

    def begin():
        told, failure = "", None
        generators = trainer.generator, trainer.average_generator
        try:
            if named := section.initial_model:
                taken = take_weights(named, generators, trainer.discriminators)
                told = f"{resolve(Path(named))}: training begins with its {', '.join(taken)}. "
            if config.generator.prior_size and is_chief():
                pairs = prior_pairs(config, pictures, vocabulary, text, image)
                told += adapt_prior(generators, *pairs)
        except UserError as error:
            failure = error
        if not every_worker(strategy, failure is None):
            raise failure or UserError("Another worker could not begin; its own log says why.")
        if config.generator.prior_size:
            for generator in generators:
                take_from_first_replica(strategy, generator.prior.weights)
        return told.strip()

    run(task, save, watchers, begin)
    return folder.path / "model"


def check_pictures(config: Config, resume: bool) -> None:
    """Raises UserError where prepared pictures are too few, or grey with `augmentation.color`.

    Args: resume: look at no colours, since a run that goes on keeps its config; too few pictures
        stop that as well.
    """
    if config.data.source != "prepared":
        return
    pictures = build.pictures(config, "train")
    if len(pictures) < 2:  # a Fréchet distance needs two
        raise UserError(
            f"{config.data.directory}: training needs 2 pictures or more of the train split. "
            f"Received: {len(pictures)}."
        )
    if resume or not config.augmentation.color:
        return
    places = np.unique(np.linspace(0, len(pictures) - 1, _LOOKED_AT, dtype=int))
    looked_at = read_pictures(pictures, places, config.generator.sides[-1])
    if not np.ptp(looked_at, axis=-1).any():
        raise UserError(
            f"`augmentation.color` is for pictures with colours, but the {len(places)} of "
            f"{config.data.directory} that were looked at are grey. Set augmentation.color=false."
        )


def _warn_of_flips_and_crops(config):
    data, section = config.data, config.training
    compared = section.picture_weight or section.perceptual_weight
    if compared and (data.horizontal_flip or data.load_side_ratio > 1):
        _LOGGER.warning(
            "`training.picture_weight` and `training.perceptual_weight` compare drawn pictures "
            "with real ones. These are flipped or cropped at random, which no caption tells. Set "
            "data.horizontal_flip=false and data.load_side_ratio=1."
        )


def take_weights(
    named: str, generators: Sequence[Generator], discriminators: Sequence[keras.Model]
) -> list[str]:
    """Gives networks the weights of `training.initial_model`; returns the names of those it has.

    Of a generator with fewer stages the ones that it has; the later ones begin as they are.

    Raises: UserError: when one doesn't fit, or there is no such model.
    """
    directory = resolve(Path(named))
    held = load_metadata(directory).get("networks", {})
    taken = {"generator": generators}
    taken |= {network.name: (network,) for network in discriminators if network.name in held}
    for name, networks in taken.items():
        source = load_network(directory, name)
        for network in networks:
            if differing := _differing(source, network):
                raise UserError(
                    f"`training.initial_model`: the {name} of {directory} does not fit the "
                    f"config's: {differing}. Set these keys to the model's "
                    "values, or name another model."
                )
            places = _places(network)
            for place, variable in _places(source).items():
                places[place].assign(variable)
    return list(taken)


# A generator may have more stages; its prior is learned anew; padding changes no variable.
_FREE = ("name", "trainable", "dtype", "stages", "prior_size", "padding")


def _differing(source, network):
    """Which keys of the config keep a network from taking the weights of another; "": none do."""
    own, wanted = source.get_config(), network.get_config()
    keys = [key for key in own if key not in _FREE and own[key] != wanted.get(key)]
    if own.get("stages", 0) > wanted.get("stages", 0):
        keys.append("stages")
    if keys:
        section = source.name.partition("_")[0]
        told = (f"`{section}.{key}` is {wanted.get(key)}, there {own[key]}" for key in keys)
        return "; ".join(told)
    places = _places(network)
    fits = all(places[place].shape == v.shape for place, v in _places(source).items())
    return "" if fits else "`text_encoder.feature_size` is not the same there"


def _places(network):
    """Variables but a prior's by where they stand in their network, whatever it is called."""
    places = {variable.path.partition("/")[2]: variable for variable in network.weights}
    return {place: v for place, v in places.items() if not place.startswith("prior/")}
