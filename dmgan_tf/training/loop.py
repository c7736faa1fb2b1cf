"""The loop around `train_step`: one for a laptop's CPU, many GPUs and many machines."""

import logging
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

_LOGGER = logging.getLogger(__name__)


def run_steps(
    strategy: tf.distribute.Strategy,
    trainer: keras.Model,
    make_dataset: Callable[[tf.distribute.InputContext], tf.data.Dataset],
    *,
    first_step: int,
    last_step: int,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    jit_compile: bool = False,
) -> None:
    """Runs the steps [first_step, last_step), until done or `trainer.stop_training`.

    Args:
        trainer: its `train_step` takes one replica's batch and returns the global batch's scalars.
        make_dataset: gives this worker's batches, one per replica, from `first_step` on.
        callbacks: Keras callbacks; `on_train_batch_end` gets the number of steps done and the
            scalars as tensors, so that who doesn't look at them needn't wait for them.
        jit_compile: compile the step with XLA; left off on a CPU of several replicas, where a
            compiled step would need another device's resources.
    """
    on_cpu = not tf.config.list_logical_devices("GPU")
    compiled = jit_compile and not (on_cpu and strategy.num_replicas_in_sync > 1)
    if jit_compile and not compiled:
        _LOGGER.warning("The step is not compiled: XLA can't on a CPU of several replicas.")
    step_function = tf.function(trainer.train_step, jit_compile=compiled)
    batches = iter(strategy.distribute_datasets_from_function(make_dataset))
    trainer.stop_training = False
    for callback in callbacks:
        callback.set_model(trainer)
        callback.on_train_begin()
    try:
        for step in range(first_step, last_step):
            scalars = strategy.run(step_function, args=(next(batches),))
            scalars = tf.nest.map_structure(
                lambda value: strategy.experimental_local_results(value)[0], scalars
            )
            for callback in callbacks:
                callback.on_train_batch_end(step + 1, scalars)
            if trainer.stop_training:
                break
    finally:
        for callback in callbacks:
            callback.on_train_end()
