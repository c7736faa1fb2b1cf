"""Training of DM-GAN around encoders that are there."""

import logging
from pathlib import Path

import keras

from dmgan_tf import build
from dmgan_tf.config import Config
from dmgan_tf.errors import UserError
from dmgan_tf.experiment.encoders import check_encoders, encoders_of
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
from dmgan_tf.training.replicas import every_worker
from dmgan_tf.training.run_folder import RunFolder, settle

_LOGGER = logging.getLogger(__name__)


def train(config: Config, directory: str | Path, strategy, resume: bool = False) -> Path:
    """Trains DM-GAN into a run's folder; returns its model directory.

    Raises: UserError, Interrupted.
    """
    directory, section = Path(directory), config.training
    settle(directory, strategy)
    build.check_batch_size("training.batch_size", section.batch_size, strategy.num_replicas_in_sync)
    build.check_feature_maps(config)
    folder = RunFolder(config, directory, resume)
    encoders = encoders_of(config, directory, strategy, resume)
    vocabulary = load_vocabulary(encoders)
    pictures = build.pictures(config, "train")
    with strategy.scope():
        text = load_network(encoders, "text_encoder")
        image = load_network(encoders, "image_encoder")
        check_encoders(config, text, image, encoders)
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

    run(task, save, watchers, begin=lambda: _take_weights(trainer, section.initial_model))
    return folder.path / "model"


def _take_weights(trainer, initial_model):
    """Gives a trainer the networks of the model directory that its training begins with.

    Of a generator with fewer stages the ones that it has; the later ones begin as they are.
    """
    if not initial_model:
        return
    directory = resolve(Path(initial_model))
    held = load_metadata(directory).get("networks", {})
    taken = {"generator": (trainer.generator, trainer.average_generator)}
    taken |= {
        network.name: (network,) for network in trainer.discriminators if network.name in held
    }
    for name, networks in taken.items():
        take(directory, name, *networks)
    _LOGGER.info("%s: training begins with its %s.", directory, ", ".join(taken))


def take(directory: Path, name: str, *networks: keras.Model) -> None:
    """Gives networks the weights of the one of that name in a model directory.

    Raises: UserError: when they don't fit, or the directory is no model.
    """
    try:
        source = load_network(directory, name)
        for network in networks:
            _copy(source, network)
    except ValueError as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"`training.initial_model`: the {name} of {directory} does not fit the config's: "
            f"{reason}"
        ) from error


_FREE = ("name", "trainable", "dtype", "stages")  # of a generator that has more stages


def _copy(source, network):
    own, grown = source.get_config(), network.get_config()
    if own.get("stages", 0) >= grown.get("stages", 0):
        network.set_weights(source.get_weights())
        return
    names = [key for key in own if key not in _FREE and own[key] != grown[key]]
    if names:
        raise ValueError(", ".join(f"{key} is {own[key]}, not {grown[key]}" for key in names))
    places = {_place(variable): variable for variable in network.weights}
    for variable in source.weights:
        places[_place(variable)].assign(variable)


def _place(variable):
    """Where a variable stands in its network, whatever that one is called."""
    return variable.path.partition("/")[2]
