"""Keras' published Inception v3 weights reach the right places of the backbone."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.errors import UserError
from dmgan_tf.models.inception_v3 import InceptionV3Backbone
from dmgan_tf.models.inception_weights import load_imagenet_weights


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """(Keras' network with random weights, the backbone that read its file)."""
    path = tmp_path_factory.mktemp("weights") / "inception.weights.h5"
    source = keras.applications.InceptionV3(include_top=False, weights=None)
    rng = np.random.default_rng(0)
    for layer in source.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.beta.shape
            layer.set_weights([rng.uniform(0.5, 1.5, shape) for _ in range(3)])
    source.save_weights(path)
    backbone = InceptionV3Backbone()
    backbone.build()
    load_imagenet_weights(backbone, str(path))
    return source, backbone


def test_stem_computes_what_keras_computes(pair):
    source, backbone = pair
    x = tf.random.normal([1, 75, 75, 3], seed=3)
    activations = [layer for layer in source.layers if isinstance(layer, keras.layers.Activation)]
    expected = keras.Model(source.input, activations[2].output)(x)
    for name in ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3"):
        x = backbone.conv_units[name](x)
    np.testing.assert_allclose(x, expected, rtol=1e-4, atol=1e-4)


def test_every_convolution_is_read_once(pair):
    source, backbone = pair
    kernels = {float(tf.reduce_sum(tf.abs(u.conv.kernel))) for u in backbone.conv_units.values()}
    convs = [layer for layer in source.layers if isinstance(layer, keras.layers.Conv2D)]
    assert kernels == {float(tf.reduce_sum(tf.abs(conv.kernel))) for conv in convs}
    assert len(kernels) == 94


def test_missing_file_is_told_with_where_to_get_it():
    with pytest.raises(UserError, match=r"`image_encoder.weights` must name .*notop.h5"):
        load_imagenet_weights(InceptionV3Backbone(), None)


def test_other_file_is_refused_by_name(tmp_path):
    path = tmp_path / "other.weights.h5"
    path.write_bytes(b"no weights")
    with pytest.raises(UserError, match=r"other.weights.h5: does not hold Inception v3"):
        load_imagenet_weights(InceptionV3Backbone(), str(path))
