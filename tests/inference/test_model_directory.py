"""Model directories: what is saved comes back, whole or not at all."""

import random
from pathlib import Path

import h5py
import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.inference.model_directory import (
    fingerprint,
    load_metadata,
    load_network,
    load_vocabulary,
    resolve,
    save_model,
)
from dmgan_tf.models.text_encoder import TextEncoder

NAMES = ("generator", "text_encoder", "image_encoder")


def outputs(name, network):
    """All outputs of a network for fixed inputs, as a list of arrays."""
    rng = np.random.default_rng(1)
    lengths = np.array([5, 2], np.int32)
    ids = np.array([[1, 2, 3, 4, 6], [5, 2, 0, 0, 0]], np.int32)
    words, sentences = rng.normal(size=(2, 5, 6)), rng.normal(size=(2, 6))
    noise, condition_noise = rng.normal(size=(2, 4)), rng.normal(size=(2, 3))
    images = rng.uniform(-1, 1, size=(2, 16, 16, 3))
    inputs = {
        "text_encoder": (ids, lengths),
        "image_encoder": (np.float32(images),),
        "generator": (
            np.float32(words),
            np.arange(5) < lengths[:, None],
            np.float32(sentences),
            np.float32(noise),
            np.float32(condition_noise),
        ),
    }
    result = network(*inputs[name], training=False)
    flat = []
    for part in result:
        flat += [array.numpy() for array in (part if isinstance(part, tuple) else (part,))]
    return flat


def files(directory):
    """Names and bytes of all files."""
    return {path.name: path.read_bytes() for path in directory.iterdir()}


# --- what is saved ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_loaded_network_gives_the_outputs_of_the_saved_one(directory, networks, name):
    loaded = load_network(directory, name)
    assert loaded.name == name
    expected = outputs(name, networks[name])
    for actual, wanted in zip(outputs(name, loaded), expected, strict=True):
        np.testing.assert_array_equal(actual, wanted)


def test_directory_holds_words_config_and_metadata(directory, vocabulary):
    assert load_vocabulary(directory).words == vocabulary.words
    assert (directory / "config.yaml").read_text() == "data: {source: toy_birds}\n"
    metadata = load_metadata(directory)
    assert (metadata["step"], metadata["score"]) == (7, 1.5)
    assert metadata["vocabulary_fingerprint"] == vocabulary.fingerprint
    assert set(metadata["networks"]) == set(NAMES)


def test_directory_says_which_versions_wrote_it(directory):
    import keras

    assert load_metadata(directory)["versions"] == {
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }


def test_nothing_is_left_beside_a_saved_directory(directory, networks, vocabulary):
    save_model(directory, networks, vocabulary, "", step=8)
    assert list(directory.parent.iterdir()) == [directory]
    assert load_metadata(directory)["step"] == 8


def test_leftovers_of_a_killed_save_are_no_hindrance(directory, networks, vocabulary):
    for name in ("model.partial", ".model.replaced"):
        (directory.parent / name).mkdir()
        (directory.parent / name / "rest").touch()
    save_model(directory, networks, vocabulary, "", step=8)
    assert load_metadata(directory)["step"] == 8
    assert list(directory.parent.iterdir()) == [directory]


def test_reading_finds_a_model_whose_replacement_was_killed_and_moves_nothing(directory):
    replaced = directory.rename(directory.parent / ".model.replaced")
    found = resolve(directory)
    assert load_metadata(found)["step"] == 7
    assert list(directory.parent.iterdir()) == [replaced]


def test_a_model_is_found_where_one_stands(directory, monkeypatch):
    monkeypatch.chdir(directory)
    assert load_metadata(resolve(Path(".")))["step"] == 7


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError])
def test_interrupted_save_leaves_the_old_directory_whole(directory, networks, vocabulary, stop):
    class Stopped(TextEncoder):
        """Stands second in line and is stopped while it writes."""

        def save_weights(self, path, *arguments, **keywords):
            super().save_weights(path, *arguments, **keywords)
            raise stop

    second = Stopped(len(vocabulary), embedding_size=4, feature_size=6)
    second.build()
    before = files(directory)
    with pytest.raises(stop):
        save_model(directory, networks | {"text_encoder": second}, vocabulary, "", step=8)
    assert files(directory) == before
    assert list(directory.parent.iterdir()) == [directory]


# --- where it is --------------------------------------------------------------------------------


def test_fingerprint_is_that_of_weights_and_words_alone(directory, networks, vocabulary):
    before = fingerprint(directory)
    save_model(directory, networks, vocabulary, "other: config", step=9)
    assert fingerprint(directory) == before
    with h5py.File(directory / "generator.weights.h5", "a") as file:
        names = []
        file.visititems(lambda name, item: names.append(name) if hasattr(item, "shape") else None)
        file[names[0]][...] = file[names[0]][()] + 1
    assert fingerprint(directory) != before


def test_run_and_model_folder_both_lead_to_the_model(directory):
    assert resolve(directory) == resolve(directory.parent) == directory


def test_loading_takes_no_seeds_of_networks_that_are_made_later(directory):
    random.seed(3)
    load_network(directory, "text_encoder")
    after = random.random()
    random.seed(3)
    network = TextEncoder(7, embedding_size=4, feature_size=6)
    network.build()
    assert random.random() == after


def test_a_directory_may_be_a_string(saved):
    network = load_network(str(saved), "generator")
    assert network.get_config() == load_network(saved, "generator").get_config()
    assert load_vocabulary(str(saved)).words == load_vocabulary(saved).words
    assert load_metadata(str(saved)) == load_metadata(saved)
