"""Model directories: what is saved comes back, and whatever is wrong is told in one line."""

import json
import random
from pathlib import Path

import h5py
import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.data.vocabulary import END, Vocabulary
from dmgan_tf.errors import UserError
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


def refused(function, *arguments):
    """The message of the user error that a call ends with; always one line."""
    with pytest.raises(UserError) as caught:
        function(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


def change_metadata(directory, change):
    path = directory / "metadata.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


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


@pytest.mark.parametrize("name", ["", "nowhere"])
def test_folder_without_a_model_is_refused(tmp_path, name):
    message = refused(resolve, tmp_path / name)
    assert message.startswith(f"{tmp_path / name}: holds no model")
    assert message.endswith("Give the folder of a run or of a model, or the name of a preset.")


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_weights_of_another_vocabulary_are_refused_with_both_fingerprints(
    directory, vocabulary, name
):
    other = Vocabulary([END, *reversed(vocabulary.words[1:])])
    other.save(directory / "vocabulary.json")
    message = refused(load_network, directory, name)
    assert f"{name}.weights.h5: was trained with another vocabulary" in message
    assert other.fingerprint in message
    assert vocabulary.fingerprint in message


def test_weights_without_a_fingerprint_are_refused(directory):
    with h5py.File(directory / "generator.weights.h5", "a") as file:
        del file.attrs["vocabulary_fingerprint"]
    assert "was trained with another vocabulary (None)" in refused(
        load_network, directory, "generator"
    )


def test_edited_vocabulary_is_refused(directory):
    path = directory / "vocabulary.json"
    path.write_text(path.read_text().replace("red", "blue"))
    message = refused(load_network, directory, "text_encoder")
    assert message.startswith(f"{path}: the words were changed after they were saved")


def test_missing_vocabulary_is_refused(directory):
    (directory / "vocabulary.json").unlink()
    message = refused(load_network, directory, "text_encoder")
    assert message.startswith(f"{directory / 'vocabulary.json'}: cannot be read")


def test_missing_network_is_refused_with_those_that_are_there(directory, networks, vocabulary):
    save_model(directory, {"text_encoder": networks["text_encoder"]}, vocabulary, "")
    message = refused(load_network, directory, "generator")
    assert message == f"{directory}: holds no generator; it holds text_encoder."


def test_missing_weights_are_refused(directory):
    (directory / "generator.weights.h5").unlink()
    message = refused(load_network, directory, "generator")
    assert message.startswith(
        f"{directory / 'generator.weights.h5'}: cannot be loaded as generator"
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("share", [0, 0.3, 0.9, 0.999])
def test_truncated_weights_are_refused(directory, name, share):
    path = directory / f"{name}.weights.h5"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert refused(load_network, directory, name).startswith(f"{path}: cannot be loaded as {name}")


def test_weights_overwritten_by_something_else_are_refused(directory):
    path = directory / "generator.weights.h5"
    path.write_bytes(b"no weights at all" * 1000)
    assert refused(load_network, directory, "generator").startswith(f"{path}: cannot be loaded")


def test_weights_of_another_network_are_refused(directory):
    path = directory / "generator.weights.h5"
    path.write_bytes((directory / "text_encoder.weights.h5").read_bytes())
    assert refused(load_network, directory, "generator").startswith(f"{path}: cannot be loaded")


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [("generator", "feature_channels", 6), ("text_encoder", "vocabulary_size", 9)],
)
def test_weights_of_another_shape_are_refused(directory, name, key, value):
    def widen(content):
        assert content["networks"][name]["config"][key] != value
        content["networks"][name]["config"][key] = value

    change_metadata(directory, widen)
    message = refused(load_network, directory, name)
    assert message.startswith(f"{directory / name}.weights.h5: cannot be loaded as {name}")


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("generator", {"feature_channels": 10**4}),
        ("generator", {"noise_size": 10**12}),
        ("generator", {"first_side": 2**4000}),
        ("generator", {"stages": 10**9}),
        ("generator", {"residual_blocks": 10**9}),
        ("text_encoder", {"vocabulary_size": 2**62}),
        ("text_encoder", {"vocabulary_size": 10**3, "embedding_size": 10**3}),
        ("image_encoder", {"widths": [10**5] * 5}),
    ],
)
def test_network_larger_than_its_weights_is_refused_before_it_is_built(
    directory, monkeypatch, name, config
):
    built = []
    monkeypatch.setattr(tf, "Variable", lambda *arguments, **_: built.append(arguments))
    change_metadata(directory, lambda c: c["networks"][name]["config"].update(config))
    message = refused(load_network, directory, name)
    assert message.startswith(f"{directory / name}.weights.h5: cannot be loaded as {name}: ")
    assert "metadata.json describes a larger one than the" in message
    assert not built


def test_array_that_is_declared_and_not_stored_is_refused(directory):
    path = directory / "text_encoder.weights.h5"
    with h5py.File(path, "a") as file:
        file.create_dataset("more", (10**12,), "f4", chunks=(10**6,))
    for read in (lambda: load_network(directory, "text_encoder"), lambda: fingerprint(directory)):
        assert refused(read).rstrip(".").endswith("more is declared larger than it is stored")


def test_loading_takes_no_seeds_of_networks_that_are_made_later(directory):
    random.seed(3)
    load_network(directory, "text_encoder")
    after = random.random()
    random.seed(3)
    network = TextEncoder(7, embedding_size=4, feature_size=6)
    network.build()
    assert random.random() == after


@pytest.mark.parametrize("named", ["Sequential", "keras.layers.Lambda", "os.system", "", None, 3])
def test_class_that_is_not_ours_is_never_built(directory, named):
    def rename(content):
        content["networks"]["generator"] = {"class": named, "config": {}}

    change_metadata(directory, rename)
    message = refused(load_network, directory, "generator")
    # The name is looked up and not found: it never comes to a call.
    assert message == f"{directory}/metadata.json: describes no generator: KeyError({named!r})."


@pytest.mark.parametrize(
    "described",
    [
        None,
        3,
        [],
        {},
        {"class": "Generator"},
        {"class": "Generator", "config": {"wings": 2}},
        {"class": "Generator", "config": []},
        {"class": "Generator", "config": {"first_side": 7}},
        {"class": ["Generator"], "config": {}},
    ],
)
def test_network_that_is_not_described_is_refused(directory, described):
    def replace(content):
        content["networks"]["generator"] = described

    change_metadata(directory, replace)
    message = refused(load_network, directory, "generator")
    assert message.startswith(f"{directory}/metadata.json: describes no generator")


@pytest.mark.parametrize("listed", [None, 3, [], "generator", ["generator"]])
def test_metadata_without_networks_are_refused(directory, listed):
    change_metadata(directory, lambda content: content.update(networks=listed))
    message = refused(load_network, directory, "generator")
    assert message == f"{directory / 'metadata.json'}: describes no networks."


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "{}", '{"step": 3}'])
def test_damaged_metadata_are_refused(directory, text):
    (directory / "metadata.json").write_text(text)
    message = refused(load_network, directory, "generator")
    assert message.startswith(f"{directory / 'metadata.json'}: holds no model's metadata")


def test_directory_of_another_format_is_refused(directory):
    change_metadata(directory, lambda content: content.update(format=2))
    message = refused(load_network, directory, "generator")
    assert message == (
        f"{directory / 'metadata.json'}: format 2 is not 1, the one this version reads."
    )


def test_a_directory_may_be_a_string(saved):
    network = load_network(str(saved), "generator")
    assert network.get_config() == load_network(saved, "generator").get_config()
    assert load_vocabulary(str(saved)).words == load_vocabulary(saved).words
    assert load_metadata(str(saved)) == load_metadata(saved)
