"""Our spectral norm and moving average against tensorflow-addons' (`make tfa-oracle`).

TFA's SpectralNormalization *overwrites* the kernel W with W/σ in every training call. As long as
nothing else moves the kernel, call after call then computes what ours does, because a power
iteration doesn't see the length of W: TFA divides by σ₁, then by σ₂/σ₁, …, ours by σ₁, then by σ₂.
Three things differ: an optimizer's step moves W/σ there and W here; no gradient passes through σ
there; and in inference before any training call the kernel is used as it is there.
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
KERNELS = ("down", "narrow")


def oracle(prefix):
    prefix += "/"
    return {k.removeprefix(prefix): v for k, v in ARRAYS.items() if k.startswith(prefix)}


@pytest.fixture(params=KERNELS)
def pair(request):
    """(TFA's arrays, our layer with the kernel and u that TFA's began with)."""
    arrays = oracle(f"spectral_norm/{request.param}")
    size, _, channels, filters = arrays["kernel"].shape
    layer = SpectralNormConv2D(filters, size, strides=2 if size == 4 else 1)
    layer.build((None, None, None, channels))
    layer.kernel.assign(arrays["kernel"])
    layer.u.assign(arrays["u"])
    return arrays, layer


def test_outputs_equal_tfa_call_after_call(pair):
    arrays, layer = pair
    for expected in arrays["output"]:
        found = layer(arrays["images"], training=True)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_sigma_and_normalised_kernel_equal_tfa(pair):
    """Our σ is the product of all that TFA has divided by so far."""
    arrays, layer = pair
    for sigma, normalised, u in zip(
        np.cumprod(arrays["sigma"]), arrays["normalised"], arrays["u_after"], strict=True
    ):
        layer(arrays["images"], training=True)
        np.testing.assert_allclose(layer.u, u, rtol=1e-4, atol=1e-6)
        v = np.tensordot(arrays["kernel"], layer.u.numpy(), 1).ravel()
        found = np.linalg.norm(v)  # Wu for TFA's next v; by then both agree on u
        assert found == pytest.approx(sigma, rel=0.05)
        np.testing.assert_allclose(layer.kernel / sigma, normalised, rtol=1e-4, atol=1e-6)
