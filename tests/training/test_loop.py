"""`fit` and our own loop: one contract with callbacks, and the same training."""

import csv
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_trainer import make_batch, make_damsm_trainer, make_trainer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dmgan_tf.training.callbacks import (
    Checkpoints,
    Evaluation,
    LossGuard,
    ProgressBar,
    SampleGrid,
    ScalarLog,
)
from dmgan_tf.training.loop import Logs, run_steps

STEPS, STEPS_PER_EPOCH, BATCH_SIZE = 5, 2, 4


def batches(steps, replicas=1, first_step=0):
    """A dataset of `steps` global batches, cut into one part per replica."""
    whole = [make_batch(BATCH_SIZE, seed) for seed in range(first_step, steps)]
    stacked = tf.nest.map_structure(lambda *x: tf.stack(x), *whole)
    dataset = tf.data.Dataset.from_tensor_slices(stacked)
    return dataset.unbatch().batch(BATCH_SIZE // replicas) if replicas > 1 else dataset


def loop(trainer, callbacks=(), strategy=None, first_step=0, last_step=STEPS):
    strategy = strategy or tf.distribute.get_strategy()
    run_steps(
        strategy,
        trainer,
        lambda _: batches(last_step, strategy.num_replicas_in_sync, first_step),
        first_step=first_step,
        last_step=last_step,
        steps_per_epoch=STEPS_PER_EPOCH,
        callbacks=callbacks,
    )


def fit(trainer, callbacks=(), epochs=2):
    data = batches(epochs * STEPS_PER_EPOCH)
    trainer.fit(
        data, epochs=epochs, steps_per_epoch=STEPS_PER_EPOCH, verbose=0, callbacks=list(callbacks)
    )


class Recorder(keras.callbacks.Callback):
    """Every call, in order, with the floats that came with it."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def _note(self, hook, *place, logs):
        assert isinstance(logs, dict)  # never None
        self.calls.append((hook, *place, {name: float(logs[name]) for name in sorted(logs)}))

    def on_train_begin(self, logs=None):
        self._note("train_begin", self.params["steps"], self.params["epochs"], logs=logs)

    def on_epoch_begin(self, epoch, logs=None):
        self._note("epoch_begin", epoch, logs=logs)

    def on_train_batch_begin(self, batch, logs=None):
        self._note("batch_begin", batch, logs=logs)

    def on_train_batch_end(self, batch, logs=None):
        assert all(type(value) is float for value in logs.values())
        self._note("batch_end", batch, logs=logs)

    def on_epoch_end(self, epoch, logs=None):
        assert all(type(value) is float for value in logs.values())
        self._note("epoch_end", epoch, logs=logs)

    def on_train_end(self, logs=None):
        self._note("train_end", logs=logs)


def test_callbacks_hear_from_the_loop_what_they_hear_from_fit():
    ours, theirs = Recorder(), Recorder()
    loop(make_damsm_trainer(), [ours], last_step=4)
    fit(make_damsm_trainer(), [theirs])
    assert [call[:-1] for call in ours.calls] == [call[:-1] for call in theirs.calls]
    for (*_, found), (*_, expected) in zip(ours.calls, theirs.calls, strict=True):
        assert found == pytest.approx(expected, rel=1e-5)


def test_a_resumed_loop_goes_on_within_its_epoch():
    recorder = Recorder()
    loop(make_damsm_trainer(), [recorder], first_step=1, last_step=4)
    assert [call[:2] for call in recorder.calls if call[0] != "batch_begin"][1:-1] == [
        ("epoch_begin", 0),
        ("batch_end", 1),
        ("epoch_end", 0),
        ("epoch_begin", 1),
        ("batch_end", 0),
        ("batch_end", 1),
        ("epoch_end", 1),
    ]


def test_a_stopped_loop_ends_its_epoch():
    recorder, stop = Recorder(), keras.callbacks.TerminateOnNaN()
    stop.on_train_batch_end = lambda batch, logs=None: setattr(stop.model, "stop_training", True)
    loop(make_damsm_trainer(), [recorder, stop])
    assert [call[0] for call in recorder.calls][-3:] == ["batch_end", "epoch_end", "train_end"]


def test_logs_are_floats_on_demand_in_every_way_of_reading():
    class Value:
        reads = 0

        def __float__(self):
            self.reads += 1
            return 2.0

    value = Value()
    logs = Logs({"loss": value})
    assert isinstance(logs, dict) and len(logs) == 1 and list(logs) == ["loss"]
    assert value.reads == 0
    assert logs["loss"] == logs.get("loss") == 2.0
    assert dict(logs) == dict(**logs) == dict(logs.items()) == logs.copy() == {"loss": 2.0}
    assert type(dict(logs)["loss"]) is float


def test_the_loop_reads_no_value_that_no_callback_reads(monkeypatch):
    reads = []
    monkeypatch.setattr(Logs, "__getitem__", lambda self, name: reads.append(name) or 0.0)
    counter = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    loop(make_damsm_trainer(), [counter], last_step=1)
    at_the_end_of_epoch_and_training = 2 * 3
    assert len(reads) <= at_the_end_of_epoch_and_training


def run_loop(trainer, callbacks):
    loop(trainer, callbacks, last_step=4)


def run_fit(trainer, callbacks):
    fit(trainer, callbacks)


@pytest.mark.parametrize("train", [run_loop, run_fit])
def test_keras_callbacks_serve_both(train, tmp_path):
    trainer = make_damsm_trainer()
    train(
        trainer,
        [
            keras.callbacks.CSVLogger(tmp_path / "log.csv"),
            keras.callbacks.TensorBoard(tmp_path / "board", update_freq=1),
            keras.callbacks.ModelCheckpoint(
                tmp_path / "{epoch}_{damsm_word:.1f}.weights.h5", save_weights_only=True
            ),
            keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2),
            keras.callbacks.TerminateOnNaN(),
        ],
    )
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert all(math.isfinite(float(row["damsm_sentence"])) for row in rows)
    assert len(list(tmp_path.glob("[12]_*.weights.h5"))) == 2
    assert float(trainer.encoder_optimizer.learning_rate) == pytest.approx(0.05 / 4)
    tags = EventAccumulator(str(tmp_path / "board/train"), {"tensors": 0}).Reload().Tags()
    assert {"batch_loss", "epoch_loss", "epoch_learning_rate"} <= set(tags["tensors"])


@pytest.mark.parametrize("train", [run_loop, run_fit])
def test_our_callbacks_serve_both(train, tmp_path):
    seen, saved = [], []
    writer = tf.summary.create_file_writer(str(tmp_path))

    def draw():
        return {"grid": np.zeros((4, 4, 3), np.uint8)}

    train(
        make_damsm_trainer(),
        [
            LossGuard(2, lambda: None),
            ProgressBar(0, 4, {"words": "damsm_word"}, "tiny"),
            ScalarLog(writer, 2, BATCH_SIZE),
            SampleGrid(draw, lambda name, step, picture: seen.append(step), writer, 3),
            Evaluation(
                lambda: {"score": 1.0}, lambda step, _: seen.append(step), writer, 2, "score"
            ),
            Checkpoints(saved.append, 3, 4, tf.distribute.get_strategy()),
        ],
    )
    writer.flush()
    assert seen == [2, 3] and saved == [3, 4]
    losses = EventAccumulator(str(tmp_path), {"tensors": 0}).Reload().Tensors("damsm_word")
    assert [event.step for event in losses] == [2, 4]


def networks(trainer):
    return (trainer.generator, trainer.average_generator, *trainer.all_discriminators)


def assert_same_weights(ours, theirs, **tolerance):
    for one, other in zip(networks(ours), networks(theirs), strict=True):
        for a, b in zip(one.variables, other.variables, strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), err_msg=b.path, **tolerance)


def test_xla_is_off_until_asked_for():
    trainer = make_trainer()
    assert trainer.jit_compile is False and make_damsm_trainer().jit_compile is False
    optimizers = trainer.generator_optimizer, trainer.discriminator_optimizers
    trainer.compile(*optimizers, jit_compile=True)
    assert trainer.jit_compile is True


@pytest.mark.slow
def test_fit_on_several_replicas_trains_as_the_loop_does(strategy):
    with strategy.scope():
        ours, theirs = make_trainer(), make_trainer()
    loop(ours, strategy=strategy, last_step=4)
    fit(theirs)
    assert_same_weights(ours, theirs, rtol=1e-6, atol=1e-6)
