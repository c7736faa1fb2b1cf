"""Every Inception v3 against PyTorch's or Keras' own, on random weights out of files."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from random_weights import SIDE, pictures, random_tensor
from weights_files import (
    averaged,
    graph_2015,
    inception_state,
    old_slim_tensors,
    reference,
    tf_slim_tensors,
    write_checkpoint,
    write_old_checkpoint,
)

from dmgan_tf.errors import UserError
from dmgan_tf.feature_networks import load_feature_network, loaders
from dmgan_tf.feature_networks.resize import resize_matrix
from dmgan_tf.interop.torch_file import write_state_dict
from dmgan_tf.models.inception_v3 import InceptionV3Backbone

pytestmark = pytest.mark.slow

TOLERANCE = 1e-2  # of what two pictures differ by


def write_2015(folder):
    path = folder / "pt_inception-2015-12-05-6726825d.pth"
    write_state_dict(path, inception_state(1008))
    return path


def write_torchvision(folder):
    path = folder / "inception_v3_google-0cc3c7bd.pth"
    auxiliary = {"AuxLogits.fc.bias": np.zeros(1000, np.float32)}
    write_state_dict(path, inception_state(1000) | auxiliary)
    return path


def write_slim_cub(folder):
    (folder / "birds_valid299").mkdir()
    path = folder / "birds_valid299" / "model.ckpt"
    write_old_checkpoint(path, averaged(old_slim_tensors(inception_state(51, scaled=False))))
    return path


WRITERS = {
    "inception-2015": write_2015,
    "inception-torchvision": write_torchvision,
    "inception-slim-cub": write_slim_cub,
}


def distance(found, name):
    """How far from the reference, in what its two pictures differ by: of features, of logits."""
    results = []
    for tensor, expected in zip(found, reference(name), strict=True):
        contrast = np.abs(expected[0] - expected[1]).mean()
        results.append(np.abs(tensor.numpy()[:, ::8] - expected).max() / contrast)
    return results


@pytest.fixture(scope="module", params=WRITERS)
def network(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    WRITERS[request.param](folder)
    return load_feature_network(request.param, cache=folder)


def test_features_and_logits_are_those_of_pytorch(network):
    differences = distance(network(pictures()), network.name)
    assert max(differences) < TOLERANCE, differences


def test_another_rule_of_pooling_would_be_seen(network):
    """That the test above can fail."""
    right = network._backbone
    names = "pools_count_padding", "last_block_takes_maximum"
    own = {name: getattr(right, name) for name in names}
    wrong = [own | {name: not own[name]} for name in names]
    like_pillow = network._specification.like_pillow
    matrix = tf.constant(resize_matrix(SIDE, 299, like_pillow))
    try:
        for layout in wrong:
            network._backbone = InceptionV3Backbone(**layout, dtype="float32")
            network._backbone.build()
            network._backbone.set_weights(right.get_weights())
            found = network._compute(tf.constant(pictures()), matrix)
            assert distance(found, network.name)[0] > 10 * TOLERANCE, layout
    finally:
        network._backbone = right


def test_a_pictures_features_depend_on_no_other_picture(network):
    images = pictures(3)
    alone, pair, three = (network(images[:count])[0].numpy() for count in (1, 2, 3))
    scale = np.abs(three).max()
    np.testing.assert_allclose(alone, pair[:1], rtol=0, atol=1e-5 * scale)
    np.testing.assert_allclose(pair, three[:2], rtol=0, atol=1e-5 * scale)
    assert network._run.experimental_get_tracing_count() == 1


def weights(loaded):
    return [array for part in loaded for array in part.get_weights()]


def test_frozen_graph_gives_the_same_network_and_its_gammas_are_not_used(tmp_path):
    state = inception_state(1008, scaled=False)
    write_state_dict(tmp_path / "a.pth", state)
    (tmp_path / "a.pb").write_bytes(graph_2015(state).SerializeToString())
    found, expected = (
        weights(loaders.load_inception_2015(tmp_path / name)) for name in ("a.pb", "a.pth")
    )
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_checkpoint_of_either_slim_gives_the_same_network(tmp_path):
    state = inception_state(51, scaled=False)
    write_checkpoint(tmp_path / "old.ckpt", old_slim_tensors(state))
    write_checkpoint(tmp_path / "new.ckpt", averaged(tf_slim_tensors(state)))
    old = loaders.load_inception_slim_cub(tmp_path / "old.ckpt")
    new = loaders.load_inception_slim_cub(tmp_path / "new.ckpt.index")
    for a, b in zip(weights(old), weights(new), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(old[1].kernel, state["fc.weight"].T[:, 1:])


def fill(model):
    for number, layer in enumerate(model.layers):
        names = {keras.layers.Conv2D: "conv", keras.layers.Dense: "dense"}
        values = []
        for variable in layer.weights:
            kind = "running_var" if "variance" in variable.path else names.get(type(layer), "bn")
            shape = tuple(variable.shape)
            turned = shape[::-1] if len(shape) > 1 else shape  # fan-in as PyTorch has it
            values.append(random_tensor(f"{number}.{variable.name}.{kind}", turned).T)
        layer.set_weights(values)


@pytest.mark.parametrize(
    ("file", "with_top"),
    [("inception.h5", True), ("inception_notop.h5", False), ("inception.weights.h5", True)],
)
def test_keras_network_is_that_of_keras_applications(tmp_path, file, with_top):
    top = {"classifier_activation": None} if with_top else {"pooling": "avg"}
    source = keras.applications.InceptionV3(include_top=with_top, weights=None, **top)
    fill(source)
    save = source.save_weights if "weights" in file else source.save
    save(tmp_path / file)
    network = load_feature_network("inception-keras", weights=tmp_path / file)
    images = pictures(2, side=299)
    features, logits = network(images)
    for found, layer in ((features, -2), (logits, -1)) if with_top else ((features, -1),):
        expected = keras.Model(source.input, source.layers[layer].output)(images / 127.5 - 1)
        contrast = np.abs(expected[0] - expected[1]).mean()
        assert np.abs(found - expected).max() < TOLERANCE * contrast
    assert network.class_count == (1000 if with_top else None)
    assert (logits is None) == (not with_top)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("inception-2015", r"of 2015: fc.weight is of shape \(2048, 1000\), not \(2048, 1008\)"),
        ("efficientnet-lite0", "is no EfficientNet-Lite0: has no fitting _conv_stem.weight"),
    ],
)
def test_another_networks_file_is_told_by_the_first_tensor(tmp_path, name, message):
    path = write_torchvision(tmp_path)
    with pytest.raises(UserError, match=message):
        load_feature_network(name, weights=path)
