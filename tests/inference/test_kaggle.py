"""Models from Kaggle: a real server on this machine, and kagglehub itself.

For each file kagglehub looks through its callers and all modules, which takes long beside
TensorFlow: most tests are slow ones.
"""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from command_lines import ROOT, environment
from kaggle_server import KaggleServer

from dmgan_tf.errors import UserError
from dmgan_tf.inference import kaggle, presets
from dmgan_tf.inference.model_directory import fingerprint, load_network, resolve
from dmgan_tf.inference.weight_files import weight_files, write_safetensors

library = pytest.importorskip("kagglehub")
HANDLE = "somebody/red-birds/keras/small"
URL = f"kaggle://{HANDLE}"
NAME = "somebody/red-birds/MODEL_FRAMEWORK_KERAS/small"  # as the API writes it


@pytest.fixture
def settings(tmp_path):
    """The environment in which kagglehub asks the server, without anybody's credentials."""
    return {
        "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
        "KAGGLEHUB_CACHE": str(tmp_path / "cache"),
        "KAGGLE_CONFIG_DIR": str(tmp_path / "none"),
        "HOME": str(tmp_path),
        "no_proxy": "",
        "NO_PROXY": "",
    }


@pytest.fixture
def server(settings, monkeypatch):
    started = KaggleServer()
    settings["http_proxy"] = started.url
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    yield started
    started.close()


@pytest.fixture
def uploaded(server, directory):
    """The files of a model that is on Kaggle, by their names."""
    server.models[NAME] = [files_of(directory)]
    return server.models[NAME][0]


def files_of(directory):
    files = {path.name: path.read_bytes() for path in directory.iterdir()}
    return files | {"virus.exe": b"nobody wants it", "../virus.exe": b"nor this"}


def refused(function, *arguments):
    """The message of the user error that a call ends with; always one line."""
    with pytest.raises(UserError) as caught:
        function(*arguments)
    (line,) = str(caught.value).splitlines()
    return line


@pytest.mark.slow
def test_model_is_loaded_once_and_only_its_own_files(server, uploaded, directory):
    model = resolve(URL)
    wanted = sorted(name for name in uploaded if not name.endswith(".exe"))
    assert sorted(server.downloads()) == wanted == sorted(p.name for p in model.iterdir())
    assert fingerprint(model) == fingerprint(directory)
    for found, expected in zip(
        load_network(model, "text_encoder").get_weights(),
        load_network(directory, "text_encoder").get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(found, expected)
    assert resolve(URL) == resolve(model) == presets.locate(type(model)(URL)) == model
    assert kaggle.repository(model) == URL.removeprefix("kaggle://") + f"/{model.name}"
    assert kaggle.repository(directory) is None
    assert len(server.downloads()) == len(wanted)


@pytest.mark.slow
def test_weights_may_be_safetensors_and_a_card_its_fingerprint(server, uploaded, directory):
    for name, path in weight_files(directory).items():
        write_safetensors(path, directory / f"{name}.safetensors")
        path.unlink()
    expected = fingerprint(directory)
    (directory / "README.md").write_text(f"---\nfingerprint: '{expected}'\n---\n# Birds\n")
    server.models[NAME] = [files_of(directory)]
    model = resolve(URL)
    assert fingerprint(model) == expected
    assert (model / "README.md").is_file() and not list(model.glob("*.h5"))
    server.models[NAME] += [
        files_of(directory) | {"README.md": b"---\nfingerprint: 01234567\n---\n"}
    ]
    line = refused(resolve, URL)
    assert line.startswith(f"{HANDLE}/2: weights and words have the fingerprint ")
    assert f"Remove {model.parent / '2'} and load the model again" in line


@pytest.mark.slow
def test_cached_version_is_taken_without_a_network_and_the_newest_needs_one(server, uploaded):
    model = resolve(URL)
    server.close()
    assert resolve(f"{URL}/1") == model
    line = refused(resolve, URL)
    assert line.startswith(f"{URL}: Kaggle can't be reached: ")
    assert line.endswith("A version that is cached needs none.")


@pytest.mark.slow
def test_version_is_a_number_and_without_it_the_newest(server, uploaded, directory):
    server.models[NAME] += [files_of(directory) | {"config.yaml": b"data: {source: prepared}\n"}]
    first, newest = resolve(f"{URL}/1"), resolve(URL)
    assert (first.name, newest.name) == ("1", "2")
    assert (newest / "config.yaml").read_bytes() != (first / "config.yaml").read_bytes()
    assert "there is no such model or version" in refused(resolve, f"{URL}/3")


@pytest.mark.parametrize("rest", ["a/b", "a/b/keras", "a/b/keras/c/d", "a/../../c", "a/b/c/d/0"])
def test_other_forms_of_a_name_are_refused(rest):
    line = refused(resolve, f"kaggle://{rest}")
    assert line.startswith(f"kaggle://{rest}: must be kaggle://user/model/framework/variation, or")


def test_unknown_and_private_models_and_frameworks_are_told(server):
    assert refused(resolve, URL).startswith(f"{URL}: there is no such model or version, or ")
    server.private.add(NAME)
    assert "or it is private: ask on its page, set KAGGLE_API_TOKEN." in refused(resolve, URL)
    assert "is not a valid ModelFramework" in refused(resolve, "kaggle://a/b/abacus/c")


@pytest.mark.slow
def test_model_without_a_file_is_refused(server, uploaded):
    del uploaded["config.yaml"]
    assert "it lacks a file of a model directory" in refused(resolve, URL)
    uploaded["metadata.json"] = b"[]"
    server.models[NAME] += [uploaded]
    assert refused(resolve, URL).startswith(f"{URL}: metadata.json holds no model's metadata")


def test_networks_of_odd_names_are_not_asked_for(server, uploaded):
    uploaded["metadata.json"] = (
        b'{"format": 1, "networks": {"generator/../../x": 1, "discriminator_/x": 1}}'
    )
    resolve(URL)
    assert sorted(server.downloads()) == ["config.yaml", "metadata.json", "vocabulary.json"]


@pytest.mark.slow
def test_damaged_file_is_refused_and_loaded_again(server, uploaded):
    name = "text_encoder.weights.h5"
    server.served[name] = uploaded[name][:-1] + bytes([uploaded[name][-1] ^ 1])
    assert refused(resolve, URL).startswith(f"{URL}: DataCorruptionError: ")
    server.served.clear()
    resolve(URL)


@pytest.mark.slow
def test_file_that_is_damaged_in_the_cache_is_refused_until_it_is_loaded_again(server, uploaded):
    model = resolve(URL)
    path = model / "text_encoder.weights.h5"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    told = f"{URL}: {path.name} is not what was loaded: remove {path}, and load it again."
    assert refused(resolve, URL) == told
    path.unlink()
    assert resolve(URL) == model and path.read_bytes() == content
    record = model.with_name(f"{model.name}.sha256.json")
    hashes = record.read_text()
    record.write_text(json.dumps(json.loads(hashes) | {path.name: "0" * 64}))  # was wrong at first
    assert refused(resolve, URL) == told
    path.unlink()
    assert resolve(URL) == model and record.read_text() == hashes
    record.write_text(hashes[:9])
    assert resolve(URL) == model and record.read_text() == hashes


@pytest.mark.slow
def test_a_strangers_class_is_never_built(server, uploaded):
    uploaded["metadata.json"] = uploaded["metadata.json"].replace(b'"TextEncoder"', b'"os.system"')
    assert "describes no text_encoder" in refused(load_network, resolve(URL), "text_encoder")


def test_missing_package_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    assert "pip install 'dmgan_tf[kaggle]'" in refused(resolve, URL)


@pytest.mark.slow
def test_command_line_draws_a_model_of_kaggle(server, uploaded, settings, tmp_path):
    packages = os.pathsep.join([str(ROOT), os.path.dirname(os.path.dirname(library.__file__))])
    command = [sys.executable, "-m", "dmgan_tf", "generate", "--caption", "a red bird", "--model"]
    for name, code in ((URL, 0), ("kaggle://somebody/nothing/keras/small", 2)):
        process = subprocess.run(
            [*command, name, "--out", str(tmp_path / "bird.png")],
            env=environment() | settings | {"PYTHONPATH": packages},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert process.returncode == code, process.stderr
    assert (tmp_path / "bird.png").is_file()
    last = process.stderr.splitlines()[-1]
    assert last.startswith("error: kaggle://somebody/nothing/keras/small: there is no such model")
