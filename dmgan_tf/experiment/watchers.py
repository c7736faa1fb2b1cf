"""What people look at while a run goes on: progress, pictures, and the best model so far."""

import logging
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from dmgan_tf import build
from dmgan_tf.data.pipeline import read_pictures
from dmgan_tf.errors import UserError
from dmgan_tf.experiment.run import Task, is_finite
from dmgan_tf.inference.image_grid import enlarge, image_grid, save_picture
from dmgan_tf.inference.model_directory import load_metadata
from dmgan_tf.inference.text_to_image import TextToImage
from dmgan_tf.metrics.features import image_code_function, sentence_features
from dmgan_tf.metrics.frechet_distance import frechet_distance, statistics
from dmgan_tf.metrics.r_precision import r_precision
from dmgan_tf.training.callbacks import Evaluation, ProgressBar, SampleGrid, ScalarLog

_LOGGER = logging.getLogger(__name__)
_SAMPLES = 8
_FOLDS = 10  # of R-precision, which needs a picture for each


def progress(
    task: Task, writer: tf.summary.SummaryWriter, first_step: int, shown: dict[str, str]
) -> list[keras.callbacks.Callback]:
    """A bar, and every scalar to TensorBoard and to the log.

    Args: shown: label in the bar → scalar.
    """
    return [
        ProgressBar(first_step, task.last_step, shown, task.folder.path.name),
        ScalarLog(writer, task.config.training.log_every_steps, task.batch_size),
    ]


def sample_grids(
    task: Task, writer: tf.summary.SummaryWriter, artist: TextToImage
) -> keras.callbacks.Callback:
    """Every stage's pictures of a few training captions."""
    pictures, folder = task.pictures, task.folder.path / "samples"
    captions = [row[0] for row in pictures.captions[:: max(1, len(pictures) // _SAMPLES)]]
    captions, seeds = captions[:_SAMPLES], list(range(_SAMPLES))[: len(captions)]

    def draw():
        stages = artist.draw(captions, seeds).images
        last_side = stages[-1].shape[1]
        return {
            f"stage_{stage.shape[1]}": image_grid([enlarge(stage, last_side)]) for stage in stages
        }

    def save(name, step, picture):
        save_picture(folder / f"{name}_step_{step:08d}.png", picture)

    return SampleGrid(draw, save, writer, task.config.training.sample_every_steps)


def evaluation(
    task: Task,
    writer: tf.summary.SummaryWriter,
    artist: TextToImage,
    image_encoder: keras.Model,
    save_best: Callable[[int, dict[str, float]], None],
) -> keras.callbacks.Callback:
    """Fréchet distance of DAMSM codes from as many training pictures, on their own captions."""
    config, pictures, section = task.config, task.pictures, task.config.training
    count = min(section.evaluation_images, len(pictures))
    chosen = np.linspace(0, len(pictures) - 1, count).astype(int)
    captions = [pictures.captions[i][0] for i in chosen]
    codes = image_code_function(image_encoder)
    side, ratio = config.generator.sides[-1], config.data.load_side_ratio
    real = statistics(codes(read_pictures(pictures, chosen, side, ratio)))

    def evaluate():
        if not is_finite(artist.generator):
            return {"frechet_distance": np.inf}
        drawn = statistics(codes(artist.generate(captions, list(range(count)))))
        return {"frechet_distance": frechet_distance(real, drawn)}

    return Evaluation(
        evaluate,
        save_best,
        writer,
        _evaluation_steps(task),
        key="frechet_distance",
        best=_best_so_far(task, "frechet_distance"),
    )


def retrieval(
    task: Task, writer: tf.summary.SummaryWriter, save_best: Callable[[int, dict[str, float]], None]
) -> list[keras.callbacks.Callback]:
    """R-precision of real pictures of the test split by the encoders that are trained.

    Of each picture it takes the first caption, and of each caption the first picture: it would be
    right for the others too. None is scored where there are too few.
    """
    config, trainer, vocabulary = task.config, task.trainer, task.vocabulary
    try:
        pictures = build.pictures(config, "test")
    except UserError as error:
        _LOGGER.info("The encoders are not scored on held-out captions: %s", error)
        return []
    encoded = [vocabulary.encode(row[0])[0] for row in pictures.captions]
    first_pictures = {tuple(words): i for i, words in reversed([*enumerate(encoded)]) if len(words)}
    known = np.array(sorted(first_pictures.values()), int)
    count = min(config.training.evaluation_images, len(known))
    chosen = known[np.linspace(0, len(known) - 1, count).astype(int)]
    class_ids = pictures.class_ids[chosen]
    if count < _FOLDS or len(np.unique(class_ids)) < 2:
        _LOGGER.info(
            "The encoders are not scored on held-out captions: that needs %d captions that "
            "differ, of two classes. Received: %d of %d.",
            _FOLDS,
            count,
            len(np.unique(class_ids)),
        )
        return []
    ids, lengths = vocabulary.pad([encoded[i] for i in chosen], config.data.max_words_evaluation)
    images = read_pictures(
        pictures, chosen, config.generator.sides[-1], config.data.load_side_ratio
    )
    codes = image_code_function(trainer.image_encoder)

    def evaluate():
        if not is_finite(trainer):
            return {"r_precision": -np.inf}
        sentences = sentence_features(trainer.text_encoder, ids, lengths)
        share, _ = r_precision(codes(images), sentences, class_ids, folds=_FOLDS)
        return {"r_precision": share}

    return [
        Evaluation(
            evaluate,
            save_best,
            writer,
            _evaluation_steps(task),
            key="r_precision",
            best=_best_so_far(task, "r_precision"),
            mode="max",
            last_step=task.last_step,
        )
    ]


def _evaluation_steps(task):
    epochs = task.config.training.evaluate_every_epochs
    return max(1, round(epochs * len(task.pictures) / task.batch_size))


def _best_so_far(task, key):
    """The score of the best model of an earlier part of the run; None where there is none."""
    folder = task.folder.path / "best"
    return load_metadata(folder)[key] if (folder / "metadata.json").exists() else None
