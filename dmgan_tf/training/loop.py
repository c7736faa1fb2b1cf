"""The loop around `train_step`: one for a laptop's CPU, many GPUs and many machines."""

import collections
import logging
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

_LOGGER = logging.getLogger(__name__)


class Logs(collections.UserDict, dict):  # type: ignore[misc]  # whose `fromkeys` differ
    """A step's scalars by name, which become floats when they are read.

    A float has to wait for the device; a callback that reads none does not make the loop wait.
    Some of Keras' callbacks look at nothing but a `dict`, so it is one.
    """

    def __getitem__(self, name):
        return float(super().__getitem__(name))


def run_steps(
    strategy: tf.distribute.Strategy,
    trainer: keras.Model,
    make_dataset: Callable[[tf.distribute.InputContext], tf.data.Dataset],
    *,
    first_step: int,
    last_step: int,
    steps_per_epoch: int | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> None:
    """Runs the steps [first_step, last_step), until done or `trainer.stop_training`.

    Unlike `fit`, it begins at any step, also within an epoch, and runs on several workers.

    Args:
        trainer: compiled; its `train_step` takes one replica's batch and returns the global
            batch's scalars. With `jit_compile` the step is compiled by XLA, except on a CPU of
            several replicas, where a compiled step would need another device's resources.
        make_dataset: gives this worker's batches, one per replica, from `first_step` on.
        steps_per_epoch: int > 0; None: all steps are one epoch.
        callbacks: called as `fit` calls them. `logs` of a step are `Logs`.
    """
    steps_per_epoch = steps_per_epoch or max(1, last_step)
    step_function = _step_function(strategy, trainer)
    batches = iter(strategy.distribute_datasets_from_function(make_dataset))
    hooks = keras.callbacks.CallbackList(
        list(callbacks),
        model=trainer,
        verbose=0,
        epochs=-(-last_step // steps_per_epoch),
        steps=steps_per_epoch,
    )
    trainer.stop_training = False
    hooks.on_train_begin()
    logs = None
    try:
        for step in range(first_step, last_step):
            epoch, batch = divmod(step, steps_per_epoch)
            if step == first_step or batch == 0:
                hooks.on_epoch_begin(epoch)
            # Not by `hooks`, which would turn all logs into floats, a wait in every step.
            for callback in hooks.callbacks:
                callback.on_train_batch_begin(batch, logs={})
            logs = _first_values(strategy, strategy.run(step_function, args=(next(batches),)))
            for callback in hooks.callbacks:
                callback.on_train_batch_end(batch, logs=logs)
            last = trainer.stop_training or step + 1 == last_step
            if last or batch + 1 == steps_per_epoch:
                hooks.on_epoch_end(epoch, logs)
            if trainer.stop_training:
                break
    finally:
        hooks.on_train_end(logs)


def _step_function(strategy, trainer):
    on_cpu = not tf.config.list_logical_devices("GPU")
    compiled = trainer.jit_compile and not (on_cpu and strategy.num_replicas_in_sync > 1)
    if trainer.jit_compile and not compiled:
        _LOGGER.warning("The step is not compiled: XLA can't on a CPU of several replicas.")
    return tf.function(trainer.train_step, jit_compile=compiled, autograph=False)


def _first_values(strategy, scalars):
    """The first replica's scalars, which are everyone's."""
    return Logs(
        {name: strategy.experimental_local_results(value)[0] for name, value in scalars.items()}
    )
