"""What all feature networks share, held on the smallest; and the mistakes of files."""

import hashlib
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from random_weights import pictures
from weights_files import lite0_state, reference, write_checkpoint, write_lite0

from dmgan_tf.errors import UserError
from dmgan_tf.feature_networks import NAMES, load_feature_network
from dmgan_tf.interop.torch_file import write_state_dict

LITE0 = "efficientnet-lite0-57934424.pth"


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    write_lite0(folder / LITE0)
    return folder


@pytest.fixture(scope="module")
def network(cache):
    return load_feature_network("efficientnet-lite0", cache=cache)


def test_lite0_gives_the_features_and_logits_of_the_port(network):
    for found, expected in zip(network(pictures()), reference(network.name), strict=True):
        contrast = np.abs(expected[0] - expected[1]).mean()
        assert np.abs(found.numpy()[:, ::8] - expected).max() < 1e-3 * contrast


def test_network_tells_what_a_score_was_made_with(network, cache):
    assert network.weights_sha256 == hashlib.sha256((cache / LITE0).read_bytes()).hexdigest()
    assert (network.feature_size, network.class_count, network.published) == (1280, 1000, False)
    assert network.protocol == (
        "Pillow's bilinear resize, antialiased and rounded to uint8, to 224x224; "
        "pixels (v - 127) / 128"
    )


def test_one_trace_serves_all_sides_and_batch_sizes(network):
    for count, side in ((1, 64), (3, 64), (2, 224), (2, 300)):
        features, logits = network(pictures(count, side))
        assert features.shape == (count, 1280)
        assert logits.shape == (count, 1000)
    assert network._run.experimental_get_tracing_count() == 1


def test_a_pictures_features_depend_on_no_other_picture(network):
    images = pictures(5)
    together = network(images)[0].numpy()
    alone = np.concatenate([network(image[None])[0].numpy() for image in images])
    np.testing.assert_allclose(alone, together, rtol=0, atol=1e-5 * np.abs(together).max())


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((1, 64, 64, 3), np.float32),
        np.zeros((64, 64, 3), np.uint8),
        np.zeros((1, 64, 32, 3), np.uint8),
        tf.zeros((1, 64, 64, 1), tf.uint8),
    ],
    ids=["float", "one_picture", "oblong", "grey"],
)
def test_other_pictures_are_refused(network, images):
    with pytest.raises(ValueError, match=r"must be uint8 \[B, side, side, 3\]. Received: "):
        network(images)


@pytest.mark.parametrize("name", NAMES)
def test_missing_file_is_told_with_where_to_get_it_and_where_to_put_it(name, tmp_path, monkeypatch):
    monkeypatch.setenv("DMGAN_TF_CACHE", str(tmp_path))
    with pytest.raises(
        UserError, match=rf"{name}: no .* in {tmp_path}. Get .*(http|the Python package)"
    ) as told:
        load_feature_network(name)
    assert "\n" not in str(told.value)
    with pytest.raises(UserError, match=r"no file nowhere\.pth\. Get"):
        load_feature_network(name, weights=Path("nowhere.pth"))


def test_unknown_name_is_told_with_the_known_ones():
    with pytest.raises(
        UserError, match=r"no feature network 'inception'; there are damsm, inception-2015"
    ):
        load_feature_network("inception")


def test_file_without_a_tensor_is_told_by_its_name(tmp_path):
    state = lite0_state()
    del state["_fc.bias"]
    write_state_dict(tmp_path / LITE0, state)
    with pytest.raises(UserError, match=rf"{LITE0}: is no EfficientNet-Lite0: .* fitting _fc.bias"):
        load_feature_network("efficientnet-lite0", cache=tmp_path)


SUFFIXES = {
    "inception-2015": ("pth", "pb"),
    "inception-torchvision": ("pth",),
    "inception-keras": ("h5", "weights.h5"),
    "inception-slim-cub": ("ckpt",),
    "efficientnet-lite0": ("pth",),
}


@pytest.mark.parametrize(("name", "suffix"), [(n, s) for n, all_ in SUFFIXES.items() for s in all_])
@pytest.mark.parametrize("content", [b"", b"no weights at all" * 100], ids=["empty", "text"])
def test_file_of_another_kind_is_told_in_one_line(name, suffix, content, tmp_path):
    path = tmp_path / f"weights.{suffix}"
    path.write_bytes(content)
    with pytest.raises(UserError, match=str(path)) as told:
        load_feature_network(name, weights=path)
    assert "\n" not in str(told.value)


@pytest.fixture(scope="module")
def small_files(tmp_path_factory):
    """Files of the right kind, of a little network."""
    folder = tmp_path_factory.mktemp("small")
    values = {"conv/conv2d_params": np.ones((3, 3, 3, 32), np.float32)}
    write_state_dict(folder / "a.pth", values)
    write_checkpoint(folder / "a.ckpt", values)
    graph = tf.compat.v1.GraphDef()
    node = graph.node.add(name="conv/conv2d_params", op="Const")
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(values["conv/conv2d_params"]))
    (folder / "a.pb").write_bytes(graph.SerializeToString())
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(300)])
    model.save_weights(folder / "a.weights.h5")
    return folder


FILES = {
    "a.pth": ("inception-torchvision", "no fitting Conv2d_1a_3x3.conv.weight"),
    "a.ckpt": ("inception-slim-cub", "no fitting conv0/weights"),
    "a.pb": ("inception-2015", "no fitting conv/batchnorm/beta"),
    "a.weights.h5": ("inception-keras", "does not hold Inception v3"),
}


@pytest.mark.parametrize(
    "file", [pytest.param(f, marks=pytest.mark.slow) if f.endswith("h5") else f for f in FILES]
)
def test_another_networks_file_is_told(file, small_files):
    name, message = FILES[file]
    with pytest.raises(UserError, match=f"{file}: .*{message}"):
        load_feature_network(name, weights=small_files / file)


@pytest.mark.parametrize("file", FILES)
def test_cut_file_is_told(file, small_files, tmp_path):
    data = "a.ckpt.data-00000-of-00001"
    if file == "a.ckpt":
        index = (small_files / "a.ckpt.index").read_bytes()
        (tmp_path / "a.ckpt.index").write_bytes(index[: len(index) // 2])
    else:
        data = file
    content = (small_files / data).read_bytes()
    (tmp_path / data).write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=file):
        load_feature_network(FILES[file][0], weights=tmp_path / file)


def test_constant_that_claims_to_be_huge_is_not_unpacked(tmp_path):
    graph = tf.compat.v1.GraphDef()
    node = graph.node.add(name="conv/conv2d_params", op="Const")
    tensor = node.attr["value"].tensor
    tensor.CopyFrom(tf.make_tensor_proto(np.float32(1)))
    tensor.tensor_shape.dim.add(size=1 << 50)
    (tmp_path / "a.pb").write_bytes(graph.SerializeToString())
    with pytest.raises(UserError, match=r"no fitting conv/conv2d_params"):
        load_feature_network("inception-2015", weights=tmp_path / "a.pb")
