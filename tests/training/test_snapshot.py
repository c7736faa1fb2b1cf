"""What is written in a thread is what the variables held when it was asked for."""

import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_trainer import make_trainer

from dmgan_tf.training.checkpoints import CheckpointFolder
from dmgan_tf.training.snapshot import (
    NetworkCopies,
    WritingThread,
    take_snapshot,
    variables_of,
)


@pytest.fixture(scope="module")
def trainer():
    return make_trainer(lambda: keras.optimizers.Adam(1e-3, 0.5))


def values(snapshot):
    return {name: tensor.numpy().copy() for name, tensor in snapshot.items()}


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_snapshot_stays_as_it_was_while_steps_change_every_variable(trainer, batch, compiled):
    step = tf.function(trainer.train_step, autograph=False, jit_compile=compiled)
    step(batch)
    snapshot = take_snapshot(trainer.checkpoint())
    before = values(snapshot)
    step(batch)
    now = values(take_snapshot(trainer.checkpoint()))
    assert any(np.any(now[name] != before[name]) for name in now)
    for name, value in values(snapshot).items():
        np.testing.assert_array_equal(value, before[name], name)


def test_names_are_those_of_tf_train_checkpoint(trainer, tmp_path):
    checkpoint = trainer.checkpoint()
    checkpoint.write(str(tmp_path / "all"))
    written = {name for name, _ in tf.train.list_variables(str(tmp_path / "all"))}
    assert written - {"_CHECKPOINTABLE_OBJECT_GRAPH"} == set(variables_of(checkpoint))


def test_checkpoint_of_tf_train_checkpoint_is_restored(tmp_path):
    variable = tf.Variable(5.0)
    folder = CheckpointFolder(tmp_path, tf.train.Checkpoint(x=variable))
    folder.save(3)
    tf.train.Checkpoint(x=tf.Variable(7.0)).write(str(folder.path(3) / "variables"))
    assert folder.restore_newest() == 3
    assert variable.numpy() == 7.0


def test_copies_hold_what_the_networks_held(trainer, batch):
    average = trainer.average_generator
    copies = NetworkCopies(average=average)
    snapshot = copies.snapshot()
    before = average.get_weights()
    trainer.train_step(batch)
    copies.assign(snapshot)
    copied = copies.networks["average"]
    assert copied.get_config() == average.get_config()
    assert any(np.any(a != b) for a, b in zip(average.get_weights(), before, strict=True))
    for variable, value in zip(copied.weights, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value, variable.path)


def test_writing_does_not_hold_up_what_asks_for_it():
    go_on, written = threading.Event(), []

    def write():
        go_on.wait(60)
        written.append(1)

    with WritingThread() as writing:
        writing.start(write)
        assert not written
        go_on.set()
    assert written == [1]


def fail():
    raise OSError("disk")


def test_failed_writing_is_raised_by_the_next_call():
    with pytest.raises(OSError, match="disk"), WritingThread() as writing:
        writing.start(fail)
        writing.start(pytest.fail)


def test_failed_writing_is_raised_at_the_end():
    with pytest.raises(OSError, match="disk"), WritingThread() as writing:
        writing.start(fail)


def test_failed_writing_is_told_beside_the_error_that_ends_the_run(caplog):
    with pytest.raises(ValueError, match="loss"), WritingThread() as writing:
        writing.start(fail)
        raise ValueError("loss")
    assert "could not be written" in caplog.text
