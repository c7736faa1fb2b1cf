"""A run from its config: pretraining of the encoders, training, evaluation, resuming."""

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from dmgan_tf import build
from dmgan_tf.config import Config
from dmgan_tf.data.picture_set import PictureSet
from dmgan_tf.data.pipeline import PipelineOptions, read_pictures, training_dataset
from dmgan_tf.data.vocabulary import Vocabulary
from dmgan_tf.errors import Interrupted, UserError
from dmgan_tf.inference.image_grid import enlarge, image_grid, save_picture
from dmgan_tf.inference.model_directory import (
    load_metadata,
    load_network,
    load_vocabulary,
    model_in,
    resolve,
    save_model,
)
from dmgan_tf.inference.text_to_image import TextToImage
from dmgan_tf.metrics.features import image_code_function
from dmgan_tf.metrics.frechet_distance import frechet_distance, statistics
from dmgan_tf.training.callbacks import (
    Checkpoints,
    Evaluation,
    LossGuard,
    ProgressBar,
    SampleGrid,
    ScalarLog,
)
from dmgan_tf.training.checkpoints import CheckpointFolder
from dmgan_tf.training.loop import run_steps
from dmgan_tf.training.replicas import every_worker
from dmgan_tf.training.run_folder import RunFolder, is_chief

_LOGGER = logging.getLogger(__name__)
_SAMPLES = 8
_GUARD_STEPS = 10


@dataclass(frozen=True, kw_only=True)
class _Job:
    """What pretraining and training tell the machinery that they share."""

    config: Config
    run: RunFolder
    strategy: tf.distribute.Strategy
    trainer: keras.Model
    pictures: PictureSet
    vocabulary: Vocabulary
    batch_size: int
    last_step: int
    options: PipelineOptions
    shown: dict[str, str]  # label in the progress bar → scalar
    save_model: Callable[[int], None]
    begin: Callable[[], None] = lambda: None  # before the first step of all
    observers: Callable[[tf.summary.SummaryWriter], list] = lambda writer: []


def pretrain(config: Config, directory: Path, strategy, resume: bool = False) -> Path:
    """Trains the DAMSM encoders into a run's folder; returns their model directory.

    Raises: UserError, Interrupted.
    """
    section = config.damsm
    build.check_batch_size("damsm.batch_size", section.batch_size, strategy.num_replicas_in_sync)
    run = RunFolder(config, directory, resume)
    pictures = build.pictures(config, "train")
    vocabulary = build.vocabulary(config, pictures)
    with strategy.scope():
        trainer = build.damsm_trainer(config, len(vocabulary))
    networks = {"text_encoder": trainer.text_encoder, "image_encoder": trainer.image_encoder}
    model = directory / "model"
    _run(
        _Job(
            config=config,
            run=run,
            strategy=strategy,
            trainer=trainer,
            pictures=pictures,
            vocabulary=vocabulary,
            batch_size=section.batch_size,
            last_step=section.steps,
            options=build.pipeline_options(config, config.text_encoder.embedding_size),
            shown={"sentence": "damsm_sentence", "words": "damsm_word"},
            save_model=lambda step: save_model(
                model, networks, vocabulary, config.to_yaml(), step=step
            ),
        )
    )
    return model


def train(config: Config, directory: Path, strategy, resume: bool = False) -> Path:
    """Trains DM-GAN into a run's folder; returns its model directory.

    Raises: UserError, Interrupted.
    """
    section = config.training
    build.check_batch_size("training.batch_size", section.batch_size, strategy.num_replicas_in_sync)
    build.check_feature_maps(config)
    run = RunFolder(config, directory, resume)
    encoders = _encoders(config, directory, strategy, resume)
    vocabulary = load_vocabulary(encoders)
    pictures = build.pictures(config, "train")
    with strategy.scope():
        text = load_network(encoders, "text_encoder")
        image = load_network(encoders, "image_encoder")
        _check_feature_size(config, text, encoders)
        trainer = build.dmgan_trainer(config, text, image)
    every_worker(strategy, True)  # the chief writes over what the others have now read
    average = trainer.average_generator
    artist = TextToImage(average, text, vocabulary, config.data.max_words_evaluation, quiet=True)
    networks = {"generator": average, "text_encoder": text, "image_encoder": image}

    def save_to(name, step, **metadata):
        save_model(
            directory / name,
            networks,
            vocabulary,
            config.to_yaml(),
            step=step,
            max_words=config.data.max_words_evaluation,
            **metadata,
        )

    def observers(writer):
        return [
            _sample_grids(artist, pictures, directory, writer, section.sample_every_steps),
            _evaluation(config, artist, image, pictures, directory, writer, save_to),
        ]

    _run(
        _Job(
            config=config,
            run=run,
            strategy=strategy,
            trainer=trainer,
            pictures=pictures,
            vocabulary=vocabulary,
            batch_size=section.batch_size,
            last_step=section.steps,
            options=build.pipeline_options(config),
            shown={"G": "generator_loss", "D": f"discriminator_loss/{config.generator.sides[-1]}"},
            save_model=lambda step: save_to("model", step),
            begin=lambda: _take_weights(trainer, section.initial_model),
            observers=observers,
        )
    )
    return directory / "model"


def _encoders(config, directory, strategy, resume):
    """The model directory of the DAMSM encoders: the config's, or pretrained into the run.

    A run that goes on takes those that it began with, which stand in its own model.
    """
    if resume:
        with contextlib.suppress(UserError):  # stopped before it had a model
            return model_in(directory)
    if named := config.damsm.directory or config.training.initial_model:
        return resolve(Path(named))
    model = directory / "damsm" / "model"
    done = model.is_dir() and load_metadata(model).get("step") == config.damsm.steps
    if not every_worker(strategy, done):
        pretrain(config, directory / "damsm", strategy, resume=True)
        every_worker(strategy, True)  # the others wait here until the chief has written
    return model


def _take_weights(trainer, initial_model):
    """Gives a trainer the networks of the model directory that its training begins with."""
    if not initial_model:
        return
    directory = resolve(Path(initial_model))
    held = load_metadata(directory).get("networks", {})
    taken = {"generator": (trainer.generator, trainer.average_generator)}
    taken |= {
        network.name: (network,) for network in trainer.discriminators if network.name in held
    }
    for name, networks in taken.items():
        weights = load_network(directory, name).get_weights()
        for network in networks:
            try:
                network.set_weights(weights)
            except ValueError as error:
                reason = " ".join(str(error).split())[:200]
                raise UserError(
                    f"`training.initial_model`: the {name} of {directory} is of other sizes than "
                    f"the config's: {reason}"
                ) from error
    _LOGGER.info("%s: training begins with its %s.", directory, ", ".join(taken))


def _check_feature_size(config, text_encoder, directory):
    wanted, found = config.text_encoder.feature_size, text_encoder.feature_size
    if wanted != found:
        raise UserError(
            "`text_encoder.feature_size` must be that of the encoders that training takes. "
            f"Received: {wanted}, but {directory} has {found}."
        )


def _run(job: _Job) -> None:
    """Restores, trains, watches and saves."""
    section = job.config.training
    folder = job.run.path / "checkpoints"
    checkpoints = CheckpointFolder(folder, job.trainer.checkpoint(), section.keep_checkpoints)

    def last_good():
        steps = checkpoints.steps()
        return steps and checkpoints.path(steps[-1])

    guard = LossGuard(_GUARD_STEPS, last_good)

    def save(step):
        guard.check()
        _check_finite(job.trainer, step, last_good)
        if is_chief():
            checkpoints.save(step)
            job.save_model(step)

    saver = Checkpoints(save, section.checkpoint_every_steps, job.last_step, job.strategy)
    with job.run:
        first_step = checkpoints.restore_newest() or 0
        if first_step:
            _LOGGER.info("%s: going on after step %d of %d.", folder, first_step, job.last_step)
            if is_chief():
                job.save_model(first_step)  # a kill may have fallen between checkpoint and model
        else:
            job.begin()
        run_steps(
            job.strategy,
            job.trainer,
            _dataset_function(job, first_step),
            first_step=first_step,
            last_step=job.last_step,
            callbacks=[guard, *_watchers(job, first_step), saver],
            jit_compile=section.xla,
        )
    if saver.interrupted:
        raise Interrupted(saver.interrupted)


def _check_finite(trainer, step, last_good):
    """A loss shows only a step later that its step spoiled the weights."""
    if not _is_finite(trainer):
        raise UserError(
            f"Step {step}: the weights became infinite or no numbers. "
            f"Last good checkpoint: {last_good() or 'none yet'}. "
            "Begin another run, with a lower learning rate or another seed."
        )


def _is_finite(network):
    values = (weight.value for weight in network.weights if weight.dtype == "float32")
    return all(bool(tf.reduce_all(tf.math.is_finite(value))) for value in values)


def _dataset_function(job, first_step):
    def make(context):
        return training_dataset(
            job.pictures,
            job.vocabulary,
            job.options,
            batch_size=job.batch_size,
            first_step=first_step,
            replicas=job.strategy.num_replicas_in_sync,
            workers=context.num_input_pipelines,
            worker=context.input_pipeline_id,
        )

    return make


def _watchers(job, first_step):
    """The callbacks that people look at; the chief alone has them."""
    if not is_chief():
        return []
    writer = tf.summary.create_file_writer(str(job.run.path / "tensorboard"))
    return [
        ProgressBar(first_step, job.last_step, job.shown, job.run.path.name),
        ScalarLog(writer, job.config.training.log_every_steps, job.batch_size),
        *job.observers(writer),
    ]


def _sample_grids(artist, pictures, directory, writer, every_steps):
    captions = [row[0] for row in pictures.captions[:: max(1, len(pictures) // _SAMPLES)]]
    captions, seeds = captions[:_SAMPLES], list(range(_SAMPLES))[: len(captions)]

    def draw():
        stages = artist.draw(captions, seeds).images
        last_side = stages[-1].shape[1]
        return {
            f"stage_{stage.shape[1]}": image_grid([enlarge(stage, last_side)]) for stage in stages
        }

    def save(name, step, picture):
        save_picture(directory / "samples" / f"{name}_step_{step:08d}.png", picture)

    return SampleGrid(draw, save, writer, every_steps)


def _evaluation(config, artist, image_encoder, pictures, directory, writer, save_to):
    """Fréchet distance of DAMSM codes from as many training pictures, on their own captions."""
    section = config.training
    count = min(section.evaluation_images, len(pictures))
    chosen = np.linspace(0, len(pictures) - 1, count).astype(int)
    captions = [pictures.captions[i][0] for i in chosen]
    path = directory / "best" / "metadata.json"
    best = load_metadata(path.parent)["frechet_distance"] if path.exists() else np.inf
    codes = image_code_function(image_encoder)
    side, ratio = config.generator.sides[-1], config.data.load_side_ratio
    real = statistics(codes(read_pictures(pictures, chosen, side, ratio)))

    def evaluate():
        if not _is_finite(artist.generator):
            return {"frechet_distance": np.inf}
        drawn = statistics(codes(artist.generate(captions, list(range(count)))))
        return {"frechet_distance": frechet_distance(real, drawn)}

    return Evaluation(
        evaluate,
        lambda step, scores: save_to("best", step, **scores),
        writer,
        max(1, round(section.evaluate_every_epochs * len(pictures) / section.batch_size)),
        key="frechet_distance",
        best=best,
    )
