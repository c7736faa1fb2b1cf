"""Conditioning augmentation: oracle, and the noise as the only source of variety."""

import numpy as np
import oracles

from dmgan_tf.layers.conditioning_augmentation import ConditioningAugmentation


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def built():
    layer = ConditioningAugmentation(4)
    layer.build((None, 6))
    layer.dense.bias.assign(normal(16, seed=1))
    return layer


def test_condition_mean_and_log_variance_equal_the_oracle():
    layer, sentence, noise = built(), normal(3, 6), normal(3, 4, seed=2)
    weights = layer.dense.kernel.numpy(), layer.dense.bias.numpy()
    expected = oracles.conditioning_augmentation(sentence, *weights, noise)
    for actual, reference in zip(layer(sentence, noise), expected, strict=True):
        np.testing.assert_allclose(actual, reference, rtol=1e-5, atol=1e-6)


def test_condition_is_the_mean_without_noise():
    condition, mean, _ = built()(normal(3, 6), np.zeros((3, 4), "float32"))
    np.testing.assert_array_equal(condition, mean)


def test_noise_moves_the_condition_but_not_its_distribution():
    layer, sentence = built(), normal(3, 6)
    first, second = (layer(sentence, normal(3, 4, seed=seed)) for seed in (1, 2))
    assert np.abs(first[0] - second[0]).min() > 0
    np.testing.assert_array_equal(first[1], second[1])
    np.testing.assert_array_equal(first[2], second[2])


def test_a_scaled_kernel_raises_the_mean_from_a_tenth_of_the_noise_to_its_half():
    layer, sentence = ConditioningAugmentation(64), normal(8, 128) / 5
    layer.build((None, 128))
    shares = []
    for gain in (1, 8):
        layer.scale_kernel(gain)
        _, mean, log_variance = layer(sentence, np.zeros((8, 64)))
        shares.append(float(np.sqrt(np.mean(mean**2) / np.mean(np.exp(log_variance)))))
    assert shares[0] < 0.1 and 0.35 < shares[1] < 1


def test_outputs_are_float32_under_mixed_precision():
    layer = ConditioningAugmentation(4, dtype="mixed_bfloat16")
    assert {x.dtype.name for x in layer(normal(3, 6), normal(3, 4))} == {"float32"}
