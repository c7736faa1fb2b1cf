"""Weights as safetensors: the same numbers, the same fingerprint, the same checks."""

import json
import struct

import numpy as np
import pytest

from dmgan_tf.errors import UserError
from dmgan_tf.inference.model_directory import fingerprint, load_network
from dmgan_tf.inference.text_to_image import TextToImage
from dmgan_tf.inference.weight_files import weight_file, weight_files, write_safetensors

safetensors = pytest.importorskip("safetensors.numpy")


@pytest.fixture
def converted(directory):
    """A model directory whose weights are safetensors alone."""
    for name, path in weight_files(directory).items():
        write_safetensors(path, directory / f"{name}.safetensors")
        path.unlink()
    return directory


def test_every_number_and_every_picture_is_the_same(saved, converted):
    assert sorted(p.name for p in converted.glob("*.safetensors")) == [
        "generator.safetensors",
        "image_encoder.safetensors",
        "text_encoder.safetensors",
    ]
    for name in ("generator", "text_encoder", "image_encoder"):
        both = (load_network(folder, name).get_weights() for folder in (saved, converted))
        for one, other in zip(*both, strict=True):
            np.testing.assert_array_equal(one, other)
    drawn = [TextToImage.from_preset(m).generate("a red bird", seed=3) for m in (saved, converted)]
    np.testing.assert_array_equal(*drawn)


def test_fingerprint_is_that_of_the_hdf5_files_and_of_the_values(saved, converted):
    assert fingerprint(converted) == fingerprint(saved)
    path = converted / "text_encoder.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert fingerprint(converted) != fingerprint(saved)


def test_written_again_it_is_the_same_file(converted, tmp_path):
    path = converted / "generator.safetensors"
    write_safetensors(path, tmp_path / "again.safetensors")
    assert safetensors.load_file(tmp_path / "again.safetensors").keys() == (
        safetensors.load_file(path).keys()
    )


def test_hdf5_is_read_where_both_are(directory):
    (directory / "generator.safetensors").write_bytes(b"none")
    assert weight_file(directory, "generator") == directory / "generator.weights.h5"
    load_network(directory, "generator")


def refused(directory, name="generator"):
    with pytest.raises(UserError) as caught:
        load_network(directory, name)
    (line,) = str(caught.value).splitlines()
    return line


def head(**tensors):
    """A file of safetensors whose head is that, without values."""
    text = json.dumps(tensors).encode()
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no weights at all",
        head(huge={"dtype": "F32", "shape": [2**40, 2**20], "data_offsets": [0, 4]}),
        head(**{"": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}),
        head(
            a={"dtype": "F32", "shape": [0], "data_offsets": [0, 0]},
            **{"a/b": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}},
        ),
    ],
    ids=["empty", "text", "larger than the file", "no name", "a name inside another"],
)
def test_damaged_file_is_refused_with_its_name(converted, content):
    path = converted / "generator.safetensors"
    path.write_bytes(content)
    assert refused(converted).startswith(f"{path}: cannot be ")


def test_cut_file_is_refused(converted):
    path = converted / "generator.safetensors"
    path.write_bytes(path.read_bytes()[:-5])
    assert refused(converted).startswith(f"{path}: cannot be read")


def test_weights_of_another_network_and_of_another_vocabulary_are_refused(converted):
    path = converted / "generator.safetensors"
    path.write_bytes((converted / "text_encoder.safetensors").read_bytes())
    assert refused(converted).startswith(f"{path}: cannot be loaded as generator")
    path = converted / "text_encoder.safetensors"
    safetensors.save_file(safetensors.load_file(path), path)  # without the vocabulary's fingerprint
    assert "was trained with another vocabulary (None)" in refused(converted, "text_encoder")
