"""Model directories that are not as they were saved: told in one line, and nothing is built."""

import json

import h5py
import pytest
import tensorflow as tf

from dmgan_tf.data.vocabulary import END, Vocabulary
from dmgan_tf.errors import UserError
from dmgan_tf.inference.model_directory import fingerprint, load_network, resolve, save_model

NAMES = ("generator", "text_encoder", "image_encoder")


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


@pytest.mark.parametrize("name", ["", "nowhere"])
def test_folder_without_a_model_is_refused(tmp_path, name):
    message = refused(resolve, tmp_path / name)
    assert message.startswith(f"{tmp_path / name}: holds no model")
    assert message.endswith("Give the folder of a run or of a model, or the name of a preset.")


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
    assert (
        message == f"{directory}: holds no generator, but text_encoder. Name a model that has one."
    )


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


@pytest.mark.parametrize("named", ["Sequential", "keras.layers.Lambda", "os.system", "", None, 3])
def test_class_that_is_not_ours_is_never_built(directory, named):
    def rename(content):
        content["networks"]["generator"] = {"class": named, "config": {}}

    change_metadata(directory, rename)
    message = refused(load_network, directory, "generator")
    # The name is looked up and not found: it never comes to a call.
    assert message == (
        f"{directory}/metadata.json: describes no generator that can be built: "
        f"KeyError({named!r}). It is damaged, or of another version of dmgan_tf."
    )


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
    assert message == f"{directory / 'metadata.json'}: is no model's. Name a run or a model."


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
