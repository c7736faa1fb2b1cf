"""The deviation over a batch: against plain loops, group by group."""

import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.layers.batch_deviation import BatchDeviation


def normal(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def deviation_oracle(group):
    """[b, side, side, C] → [side · side]: deviation over b, mean over C, place by place."""
    _, height, width, channels = group.shape
    places = []
    for y in range(height):
        for x in range(width):
            found = []
            for c in range(channels):
                values = group[:, y, x, c].astype("float64")
                found.append(np.sqrt(((values - values.mean()) ** 2).mean()))
            places.append(np.mean(found))
    return np.array(places)


@pytest.mark.parametrize("groups", [1, 2])
def test_deviation_equals_the_oracle_in_each_group(groups):
    x = normal(6, 3, 3, 4)
    found = BatchDeviation()(x, groups=groups).numpy()
    for rows, group in zip(np.split(found, groups), np.split(x, groups), strict=True):
        for row in rows:
            np.testing.assert_allclose(row, deviation_oracle(group), rtol=1e-5)


def test_equal_samples_have_no_deviation_and_a_finite_gradient():
    x = tf.ones([4, 2, 2, 3])
    with tf.GradientTape() as tape:
        tape.watch(x)
        deviation = BatchDeviation()(x)
    np.testing.assert_allclose(deviation, 0.0, atol=1e-3)
    assert np.isfinite(tape.gradient(deviation, x)).all()
