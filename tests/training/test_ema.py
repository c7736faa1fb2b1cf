"""The moving average by hand, and how it warms up."""

import keras
import numpy as np
import pytest
from small_trainer import make_batch, make_trainer

from dmgan_tf.training.ema import start_average, update_average


@pytest.fixture
def pair():
    models = []
    for _ in range(2):
        model = keras.Sequential([keras.layers.Dense(2), keras.layers.BatchNormalization()])
        model.build((None, 3))
        models.append(model)
    start_average(*models)
    for weight in models[1].weights:
        weight.assign(weight + 1.0)
    return models


@pytest.mark.parametrize(
    ("step", "warm_up", "share"),
    [(0, False, 0.9), (0, True, 0.1), (8, True, 0.5), (10_000, True, 0.9)],
)
def test_parameters_move_by_the_decay_or_by_what_is_warm(pair, step, warm_up, share):
    average, model = pair
    before = [weight.numpy() for weight in average.trainable_weights]
    update_average(average, model, 0.9, step, warm_up)
    for old, weight in zip(before, average.trainable_weights, strict=True):
        np.testing.assert_allclose(weight, old + (1 - share), rtol=1e-5, atol=1e-6)


def test_a_frozen_average_follows_all_the_same(pair):
    average, model = pair
    average.trainable = False
    before = average.get_weights()
    update_average(average, model, 0.9, 0)
    kernel, statistics = 0, -1
    np.testing.assert_allclose(average.get_weights()[kernel], before[kernel] + 0.1, rtol=1e-5)
    np.testing.assert_array_equal(
        average.get_weights()[statistics], model.get_weights()[statistics]
    )


def test_statistics_are_copied(pair):
    average, model = pair
    update_average(average, model, 0.9, 0)
    for mine, theirs in zip(
        average.non_trainable_weights, model.non_trainable_weights, strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)


def trained(network):
    return [variable.numpy() for variable in network.trainable_variables]


def test_average_warms_up_from_the_first_update():
    batch = make_batch()
    trainer = make_trainer()
    trainer.ema_decay, trainer.ema_warm_up = 0.9, True
    expected = trained(trainer.generator)
    for updates in (1, 2):
        trainer.train_step(batch)
        decay = (1 + updates) / (10 + updates)
        new = trained(trainer.generator)
        expected = [decay * a + (1 - decay) * b for a, b in zip(expected, new, strict=True)]
    parameters = (w.path.split("/", 1)[1] for w in trainer.generator.trainable_variables)
    found = {w.path.split("/", 1)[1]: w.numpy() for w in trainer.average_generator.weights}
    for name, value in zip(parameters, expected, strict=True):
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-6, err_msg=name)
