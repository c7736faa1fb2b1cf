"""Our spectral norm and moving average against tensorflow-addons' (`make tfa-oracle`).

TFA's SpectralNormalization *overwrites* the kernel W with W/σ in every training call. As long as
nothing else moves the kernel, call after call then computes what ours does, because a power
iteration doesn't see how long W is: TFA divides by σ₁, then by σ₂/σ₁, …, where ours divides W by
σ₁, then by σ₂, …. Three things differ: an optimizer moves W/σ there and W here; no gradient passes
through σ there; and before the first training call inference uses W as it is there.
"""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.layers.spectral_norm import SpectralNormConv2D
from dmgan_tf.training.ema import start_average, update_average

with np.load(Path(__file__).with_name("tfa.npz")) as file:
    ARRAYS = {key: file[key] for key in file.files}


def oracle(prefix):
    return {
        key.removeprefix(prefix): array for key, array in ARRAYS.items() if key.startswith(prefix)
    }


# --- spectral norm ------------------------------------------------------------------------------


@pytest.fixture(params=["down", "narrow"])
def pair(request):
    """(TFA's arrays, our layer with the kernel and the u that TFA's began with)."""
    arrays = oracle(f"spectral_norm/{request.param}/")
    size, _, channels, filters = arrays["kernel"].shape
    layer = SpectralNormConv2D(filters, size, strides=2 if size == 4 else 1)
    layer.build((None, None, None, channels))
    layer.kernel.assign(arrays["kernel"])
    layer.u.assign(arrays["u"])
    return arrays, layer


def sigma_in_use(layer, images):
    """What a training call divides the kernel by, from its output; the bias is zero."""
    plain = tf.nn.conv2d(images, layer.kernel, layer.strides, "SAME")
    output = layer(images, training=True)
    return float(tf.reduce_sum(plain * output) / tf.reduce_sum(tf.square(output)))


def test_outputs_equal_tfa_call_after_call(pair):
    arrays, layer = pair
    for expected in arrays["output"]:
        found = layer(arrays["images"], training=True)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_sigma_is_the_product_of_all_that_tfa_has_divided_by(pair):
    arrays, layer = pair
    for sigma, u in zip(np.cumprod(arrays["sigma"]), arrays["u_after"], strict=True):
        assert sigma_in_use(layer, arrays["images"]) == pytest.approx(sigma, rel=1e-5)
        np.testing.assert_allclose(layer.u, u, rtol=1e-4, atol=1e-5)


def test_normalised_kernel_equals_the_one_that_tfa_leaves_behind(pair):
    arrays, layer = pair
    for normalised in arrays["normalised"]:
        found = layer.kernel / sigma_in_use(layer, arrays["images"])
        np.testing.assert_allclose(found, normalised, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(layer.kernel, arrays["kernel"])  # ours is still what it was


def test_gradient_is_that_of_tfa_and_the_way_through_sigma(pair):
    """∂L/∂W = (G − ⟨G, W/σ⟩·v uᵀ) / σ, where TFA's is G = ∂L/∂(W/σ) alone."""
    arrays, layer = pair
    for _ in arrays["output"]:
        with tf.GradientTape() as tape:
            output = layer(arrays["images"], training=True)
            total = tf.reduce_sum(output * arrays["coefficients"])
    found = tape.gradient(total, layer.kernel.value)
    before, u = arrays["u_after"][-2:]
    v = np.tensordot(arrays["kernel"], before, 1)
    v /= np.linalg.norm(v)
    theirs, in_use = arrays["gradient"], arrays["normalised"][-1]
    through_sigma = (theirs * in_use).sum() * v[..., None] * u
    expected = (theirs - through_sigma) / np.prod(arrays["sigma"])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert np.abs(theirs / np.prod(arrays["sigma"]) - found).max() > 0.01


# --- moving average -----------------------------------------------------------------------------


@pytest.mark.parametrize("warm_up", [False, True], ids=["constant", "warm_up"])
def test_averages_equal_tfa_step_after_step(warm_up, request):
    arrays = oracle(f"moving_average/{request.node.callspec.id}/")
    variables, averages = arrays["variables"], arrays["averages"]
    model, average = (keras.layers.Dense(variables.shape[1], use_bias=False) for _ in range(2))
    for layer in (model, average):
        layer.build((None, 1))
    model.set_weights([variables[:1]])
    start_average(average, model)
    for step, (variable, expected) in enumerate(zip(variables[1:], averages[1:], strict=True)):
        model.set_weights([variable[np.newaxis]])
        update_average(average, model, float(arrays["decay"]), step, warm_up)
        np.testing.assert_allclose(average.kernel[0], expected, rtol=1e-5, atol=1e-6)
