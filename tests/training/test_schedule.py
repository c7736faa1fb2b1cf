"""The learning rate: flat, then falling; or falling by the epoch."""

from pathlib import Path

import keras
import pytest
import tensorflow as tf

from dmgan_tf import build
from dmgan_tf.config_file import load_config
from dmgan_tf.training.adam import Adam
from dmgan_tf.training.schedule import ConstantThenLinear, EpochDecay

TINY = Path(__file__).parents[1] / "configs" / "tiny.yaml"


@pytest.mark.parametrize(("step", "rate"), [(0, 2.0), (60, 2.0), (80, 1.1), (100, 0.2), (150, 0.2)])
def test_rate_is_constant_then_falls_in_a_line_to_its_share(step, rate):
    schedule = ConstantThenLinear(2.0, 100, constant_ratio=0.6, final_ratio=0.1)
    assert float(schedule(step)) == pytest.approx(rate)


def test_default_rate_never_falls():
    assert float(ConstantThenLinear(2.0, 100)(100)) == 2.0


def test_config_round_trip_gives_the_same_rates():
    schedule = ConstantThenLinear(3.0, 50, 0.5, 0.25)
    again = ConstantThenLinear.from_config(schedule.get_config())
    assert [float(again(s)) for s in (0, 30, 50)] == [float(schedule(s)) for s in (0, 30, 50)]


def authors_rates(initial, epochs):
    """The loop of AttnGAN's pretraining: the rate of each epoch."""
    rates, rate = [], initial
    for _ in range(epochs):
        rates.append(rate)
        if rate > initial / 10:
            rate *= 0.98
    return rates


def test_decay_by_the_epoch_is_the_authors_to_a_tenth():
    schedule, authors = EpochDecay(2e-3, steps_per_epoch=7), authors_rates(2e-3, 130)
    for epoch in range(130):
        for step in (7 * epoch, 7 * epoch + 6):
            rate = float(schedule(tf.constant(step, tf.int64)))
            # Their last factor takes them a little below the tenth: 0.98^114 is 0.09995.
            assert rate == pytest.approx(max(authors[epoch], 2e-4), rel=1e-5)


def test_config_of_the_decay_round_trips():
    schedule = EpochDecay(3.0, 4, 0.5, 0.25)
    again = EpochDecay.from_config(schedule.get_config())
    assert [float(again(s)) for s in (3, 4, 8, 99)] == [3.0, 1.5, 0.75, 0.75]


def test_config_chooses_the_decay_with_its_own_adam_and_keeps_the_linear_fall():
    config = load_config(TINY)
    linear = build.damsm_trainer(config, 9, 5).encoder_optimizer
    assert type(linear) is keras.optimizers.Adam
    config = load_config(TINY, ["damsm.epoch_decay=0.5", "damsm.final_learning_rate_ratio=0"])
    decaying = build.damsm_trainer(config, 9, 5).encoder_optimizer
    assert type(decaying) is Adam
    for optimizer, rate in ((linear, 2e-3 * 0.1), (decaying, 2e-3 / 4)):
        optimizer.iterations.assign(10)
        assert float(optimizer.learning_rate) == pytest.approx(rate)
