"""What people look at while a run goes on: progress, pictures, and the best model so far."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from dmgan_tf.data.pipeline import read_pictures
from dmgan_tf.experiment.run import Task, is_finite
from dmgan_tf.inference.image_grid import enlarge, image_grid, save_picture
from dmgan_tf.inference.model_directory import load_metadata
from dmgan_tf.inference.text_to_image import TextToImage
from dmgan_tf.metrics.features import image_code_function
from dmgan_tf.metrics.frechet_distance import frechet_distance, statistics
from dmgan_tf.training.callbacks import Evaluation, ProgressBar, SampleGrid, ScalarLog

_SAMPLES = 8


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
    path = task.folder.path / "best" / "metadata.json"
    best = load_metadata(path.parent)["frechet_distance"] if path.exists() else np.inf
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
        max(1, round(section.evaluate_every_epochs * len(pictures) / section.batch_size)),
        key="frechet_distance",
        best=best,
    )
