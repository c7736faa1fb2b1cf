"""Checkpoints: whole or not there, and the newest readable one is found."""

import logging
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_trainer import make_damsm_trainer, make_trainer

from dmgan_tf.errors import UserError
from dmgan_tf.training.checkpoints import CheckpointFolder
from dmgan_tf.training.gradient_penalty import INTERVAL


@pytest.fixture
def variable():
    return tf.Variable(0.0)


@pytest.fixture
def folder(tmp_path, variable):
    return CheckpointFolder(tmp_path / "checkpoints", tf.train.Checkpoint(x=variable), keep=2)


def save_at(folder, variable, *steps):
    for step in steps:
        variable.assign(float(step))
        folder.save(step)


def truncate(path, size=2):
    path.write_bytes(path.read_bytes()[:size])


def test_newest_checkpoint_is_restored(folder, variable):
    save_at(folder, variable, 3, 12)
    variable.assign(-1.0)
    assert folder.restore_newest() == 12
    assert variable.numpy() == 12.0


def test_nothing_saved_is_nothing_restored(folder, variable):
    assert folder.restore_newest() is None
    assert variable.numpy() == 0.0


def test_only_the_newest_are_kept(folder, variable):
    save_at(folder, variable, 1, 2, 3)
    assert folder.steps() == [2, 3]


@pytest.mark.parametrize("file", ["variables.index", "variables.data-00000-of-00001", "state.json"])
@pytest.mark.parametrize("damage", [truncate, lambda path: path.unlink()])
def test_damaged_checkpoint_gives_way_to_the_one_before_and_says_so(
    folder, variable, caplog, file, damage
):
    save_at(folder, variable, 1, 2)
    damage(folder.path(2) / file)
    with caplog.at_level(logging.WARNING):
        assert folder.restore_newest() == 1
    assert variable.numpy() == 1.0
    assert "step_00000002 is damaged" in caplog.text


def test_flipped_bits_are_noticed(folder, variable):
    save_at(folder, variable, 1, 2)
    data = folder.path(2) / "variables.data-00000-of-00001"
    data.write_bytes(bytes(byte ^ 0xFF for byte in data.read_bytes()))
    assert folder.restore_newest() == 1


def test_no_readable_checkpoint_is_an_error_that_names_the_folder(folder, variable):
    save_at(folder, variable, 1)
    truncate(folder.path(1) / "variables.index")
    with pytest.raises(UserError, match="checkpoints: none of the 1 checkpoints can be read"):
        folder.restore_newest()


def test_half_written_checkpoint_is_not_looked_at(folder, variable):
    save_at(folder, variable, 1)
    (folder.directory / "step_00000002.partial").mkdir()
    assert folder.restore_newest() == 1
    save_at(folder, variable, 2)
    assert folder.steps() == [1, 2]


def test_checkpoint_of_another_shape_is_refused(folder, variable, tmp_path):
    save_at(folder, variable, 1)
    other = CheckpointFolder(folder.directory, tf.train.Checkpoint(x=tf.Variable([0.0, 0.0])))
    with pytest.raises(UserError, match="none of the 1 checkpoints"):
        other.restore_newest()


def trained_variables(trainer):
    """All variables of networks and optimizers but the frozen encoders of the GAN."""
    if hasattr(trainer, "encoder_optimizer"):
        owners = [trainer.text_encoder, trainer.image_encoder, trainer.encoder_optimizer]
    else:
        owners = [trainer.generator, trainer.average_generator, *trainer.all_discriminators]
        owners += [trainer.generator_optimizer, *trainer.discriminator_optimizers]
    return [variable for owner in owners for variable in owner.variables]


def adam():
    return keras.optimizers.Adam(1e-3, 0.5)


def scaled_adam():
    return keras.optimizers.LossScaleOptimizer(adam(), 128.0)


@pytest.mark.parametrize(
    "make, optimizer",
    [
        (make_trainer, adam),
        (make_trainer, scaled_adam),
        (partial(make_trainer, recipe=True), adam),
        (make_damsm_trainer, adam),
    ],
)
def test_checkpoint_brings_back_every_variable_of_a_run(make, optimizer, tmp_path, batch):
    trainer = make(optimizer)
    trainer.train_step(batch)
    folder = CheckpointFolder(tmp_path, trainer.checkpoint())
    folder.save(1)
    saved = [variable.numpy() for variable in trained_variables(trainer)]
    for variable in trained_variables(trainer):
        variable.assign(tf.ones_like(variable) * 7)
    assert folder.restore_newest() == 1
    for variable, value in zip(trained_variables(trainer), saved, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value, variable.path)


def test_resumed_run_computes_the_gradient_penalty_at_the_same_step(tmp_path, batch):
    trainers = straight, resumed, unpenalised = [make_trainer(adam, recipe=True) for _ in range(3)]
    straight.generator_optimizer.iterations.assign(INTERVAL - 1)
    straight.train_step(batch)
    CheckpointFolder(tmp_path, straight.checkpoint()).save(INTERVAL)
    unpenalised.gradient_penalty = 0.0
    for trainer in (resumed, unpenalised):
        CheckpointFolder(tmp_path, trainer.checkpoint()).restore_newest()
    for trainer in trainers:
        trainer.train_step(batch)

    def same(one, other):
        pairs = zip(*map(trained_variables, (one, other)), strict=True)
        return all(np.array_equal(a.numpy(), b.numpy()) for a, b in pairs)

    assert same(straight, resumed)
    assert not same(straight, unpenalised)  # the step has a penalty at all
