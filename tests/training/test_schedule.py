"""The learning rate: flat, then falling."""

import pytest

from dmgan_tf.training.schedule import ConstantThenLinear


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
