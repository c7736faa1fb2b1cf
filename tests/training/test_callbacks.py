"""What the loop tells people: speeds, grids, the best model, and losses that are no numbers."""

import math
import time

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dmgan_tf.errors import UserError
from dmgan_tf.training.callbacks import Evaluation, LossGuard, SampleGrid, ScalarLog


@pytest.fixture
def writer(tmp_path):
    return tf.summary.create_file_writer(str(tmp_path))


def scalars(folder, name):
    """(step, value) pairs that TensorBoard would show."""
    events = EventAccumulator(str(folder), {"tensors": 0}).Reload()
    return [(e.step, float(tf.make_ndarray(e.tensor_proto))) for e in events.Tensors(name)]


def test_images_a_second_are_steps_times_batch_over_seconds(writer, tmp_path, monkeypatch):
    clock = iter([10.0, 14.0, 15.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    log = ScalarLog(writer, every_steps=5, batch_size=8)
    for step in range(1, 16):
        log.after_step(step, {"loss": 1.0 / step})
    writer.flush()
    assert scalars(tmp_path, "images_per_second") == [(10, 10.0), (15, 40.0)]
    assert scalars(tmp_path, "loss") == [(step, pytest.approx(1 / step)) for step in (5, 10, 15)]


def test_only_the_lowest_score_is_kept_as_best(writer, tmp_path):
    kept, scores = [], iter([5.0, 7.0, math.inf, 3.0, 4.0])
    evaluation = Evaluation(
        lambda: {"distance": next(scores)},
        lambda step, scores: kept.append((step, scores["distance"])),
        writer,
        every_steps=2,
        key="distance",
        best=6.0,
    )
    for step in range(1, 11):
        evaluation.after_step(step, {})
    writer.flush()
    assert kept == [(2, 5.0), (8, 3.0)]
    assert scalars(tmp_path, "evaluation/distance")[1] == (4, 7.0)


def test_highest_score_is_kept_where_that_is_best_and_the_last_step_counts(writer):
    kept, scores = [], iter([-math.inf, 0.5, 0.4, 0.6])
    evaluation = Evaluation(
        lambda: {"share": next(scores)},
        lambda step, scores: kept.append((step, scores["share"])),
        writer,
        every_steps=2,
        key="share",
        mode="max",
        last_step=7,
    )
    for step in range(1, 8):
        evaluation.after_step(step, {})
    assert kept == [(4, 0.5), (7, 0.6)]


def test_a_loss_that_is_no_number_stops_with_step_term_and_checkpoint():
    guard = LossGuard(3, lambda: "checkpoints/step_2")
    good, bad = 1.0, math.nan
    for step in (1, 2, 3, 4):
        guard.after_step(step, {"kl": good})
    guard.after_step(5, {"kl": bad})  # not looked at yet
    with pytest.raises(UserError, match=r"Step 5: kl became nan\. .*checkpoints/step_2"):
        guard.after_step(6, {"kl": good})


def test_grids_are_saved_at_their_steps(writer):
    saved = []
    picture = np.zeros((4, 4, 3), np.uint8)
    grid = SampleGrid(
        lambda: {"stage_4": picture}, lambda *what: saved.append(what[:2]), writer, every_steps=3
    )
    for step in range(1, 8):
        grid.after_step(step, {})
    assert saved == [("stage_4", 3), ("stage_4", 6)]
