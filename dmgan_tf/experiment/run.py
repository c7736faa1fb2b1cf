"""What pretraining and training have in common: restore, train, watch and save."""

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import keras
import tensorflow as tf

from dmgan_tf.chief import is_chief
from dmgan_tf.config import Config
from dmgan_tf.data.picture_set import PictureSet
from dmgan_tf.data.pipeline import PipelineOptions, training_dataset
from dmgan_tf.data.vocabulary import Vocabulary
from dmgan_tf.errors import Interrupted, UserError
from dmgan_tf.training.callbacks import Checkpoints, LossGuard
from dmgan_tf.training.checkpoints import CheckpointFolder
from dmgan_tf.training.devices import tell_devices
from dmgan_tf.training.loop import run_steps
from dmgan_tf.training.replicas import several_workers
from dmgan_tf.training.run_folder import RunFolder
from dmgan_tf.training.snapshot import NetworkCopies, WritingThread
from dmgan_tf.training.step_timeout import StepTimeout

_LOGGER = logging.getLogger(__name__)
_GUARD_STEPS = 10


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is trained, on what, and how far.

    `written`: the networks that are trained, and written as a model, by names.
    """

    config: Config
    folder: RunFolder
    strategy: tf.distribute.Strategy
    trainer: keras.Model
    written: dict[str, keras.Model]
    pictures: PictureSet
    vocabulary: Vocabulary
    options: PipelineOptions
    batch_size: int
    last_step: int


def run(
    task: Task,
    save_model: Callable[[int, dict[str, keras.Model]], None],
    watchers: Callable[[tf.summary.SummaryWriter, int], list[keras.callbacks.Callback]],
    begin: Callable[[], str] | None = None,
) -> None:
    """Runs a task from its newest checkpoint, or from the beginning, to its last step.

    The chief writes checkpoints and models in a thread, from the values of their step.

    Args: save_model: function (step, networks by the names of `task.written`), called with every
        checkpoint. watchers: function (TensorBoard's writer, first step) → callbacks, which the
        chief alone has. begin: function (), called before the folder of a new run is made; what it
        returns is logged.
    Raises: UserError, Interrupted.
    """
    section = task.config.training
    path = task.folder.path / "checkpoints"
    checkpoints = CheckpointFolder(path, task.trainer.checkpoint(), section.keep_checkpoints)

    def last_good():
        steps = checkpoints.steps()
        return steps and checkpoints.path(steps[-1])

    beginning = begin() if begin and not checkpoints.steps() else ""
    guard = LossGuard(_GUARD_STEPS, last_good)
    copies = NetworkCopies(**(task.written if is_chief() else {}))

    def write(step, snapshot, of_networks):
        checkpoints.save(step, snapshot)
        copies.assign(of_networks)
        save_model(step, copies.networks)
        task.folder.publish()

    def save(step):
        guard.check()
        _check_finite(task.trainer, step, last_good)
        if is_chief():
            writing.start(partial(write, step, checkpoints.snapshot(), copies.snapshot()))

    saver = Checkpoints(save, section.checkpoint_every_steps, task.last_step, task.strategy)
    with task.folder, saver, WritingThread() as writing:
        first_step = checkpoints.restore_newest() or 0
        if first_step:
            _LOGGER.info("%s: going on after step %d of %d.", path, first_step, task.last_step)
            if is_chief():  # a kill may have fallen between checkpoint and model
                save_model(first_step, task.written)
        elif beginning:
            _LOGGER.info(beginning)
        tell_devices(task.config.generator.sides[-1], section.mixed_precision)
        watching = []
        if is_chief():
            writer = tf.summary.create_file_writer(str(task.folder.path / "tensorboard"))
            watching = watchers(writer, first_step)
        if several_workers(task.strategy) and section.step_timeout_seconds:
            watching.append(StepTimeout(section.step_timeout_seconds))
        with failed_data_told(task.pictures):
            run_steps(
                task.strategy,
                task.trainer,
                _dataset_function(task, first_step),
                first_step=first_step,
                last_step=task.last_step,
                steps_per_epoch=task.pictures.steps_per_epoch(task.batch_size),
                callbacks=[guard, *watching, saver],
            )
    if is_chief():
        writer.flush()
        task.folder.publish(last=True)
    if saver.interrupted:
        raise Interrupted(saver.interrupted)


def is_finite(network: keras.Model) -> bool:
    """Whether all float32 weights are finite numbers."""
    values = (weight.value for weight in network.weights if weight.dtype == "float32")
    return all(bool(tf.reduce_all(tf.math.is_finite(value))) for value in values)


def _check_finite(trainer, step, last_good):
    """A loss shows only a step later that its step spoiled the weights."""
    if not is_finite(trainer):
        raise UserError(
            f"Step {step}: the weights became infinite or no numbers. "
            f"Last good checkpoint: {last_good() or 'none yet'}. "
            "Begin another run, with a lower learning rate or another seed."
        )


@contextlib.contextmanager
def failed_data_told(pictures):
    """Raises what a dataset's error hides: that a file could not be fetched."""
    try:
        yield
    except tf.errors.OpError as error:
        remote = pictures.records and pictures.records.remote
        if remote and remote.failure:
            raise remote.failure from error
        raise


def _dataset_function(task, first_step):
    def make(context):
        return training_dataset(
            task.pictures,
            task.vocabulary,
            task.options,
            batch_size=task.batch_size,
            first_step=first_step,
            replicas=task.strategy.num_replicas_in_sync,
            workers=context.num_input_pipelines,
            worker=context.input_pipeline_id,
        )

    return make
