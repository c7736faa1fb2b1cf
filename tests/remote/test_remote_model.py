"""Models on a store: fetched as a whole, again when they have changed, and checked as any other."""

import os
import shutil

import pytest
from command_lines import refuse
from small_model import save

from dmgan_tf.errors import UserError
from dmgan_tf.inference import presets, remote_model
from dmgan_tf.inference.model_directory import fingerprint, resolve
from dmgan_tf.inference.text_to_image import TextToImage
from dmgan_tf.remote.run import RemoteRun

URL = "memory://bucket/birds"


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    return save(tmp_path_factory.mktemp("run") / "model")


@pytest.fixture
def remote(memory, saved):
    memory.put(str(saved), "/bucket/birds", recursive=True)
    memory.pipe("/bucket/birds/virus.exe", b"nobody wants it")
    return memory


def test_files_of_a_model_are_fetched_and_no_others(remote, saved):
    folder = resolve(URL)
    assert fingerprint(folder) == fingerprint(saved)
    assert {p.name for p in folder.iterdir()} == {p.name for p in saved.iterdir()}
    assert remote_model.name_of(folder) == "birds" and remote_model.name_of(saved) is None


def test_run_that_was_copied_there_is_a_model(memory, saved):
    memory.put(str(saved), "/bucket/run/model", recursive=True)
    memory.pipe("/bucket/run/config.yaml", b"")
    assert fingerprint(resolve("memory:/bucket/run")) == fingerprint(saved)  # as pathlib writes it


def test_run_that_was_trained_there_is_a_model(memory, saved):
    run = RemoteRun("memory://bucket/run")
    shutil.copytree(saved, run.path / "model")
    shutil.copytree(saved, run.path / "best")
    run.publish()
    for url in ("memory://bucket/run", "memory://bucket/run/best"):
        folder = resolve(url)
        assert fingerprint(folder) == fingerprint(saved)
        assert {p.name for p in folder.iterdir()} == {p.name for p in saved.iterdir()}


def test_model_is_fetched_once_and_again_when_it_has_changed(remote, monkeypatch):
    first = presets.locate(URL)
    get = remote.get_file
    monkeypatch.setattr(remote, "get_file", lambda *a, **o: pytest.fail("was there already"))
    assert presets.locate(URL) == first
    monkeypatch.setattr(remote, "get_file", get)
    remote.pipe("/bucket/birds/config.yaml", b"data: {source: toy_birds, images_per_class: 2}\n")
    second = presets.locate(URL)
    os.utime(first, (0, 0))
    assert presets.locate(URL) == second and not first.exists()
    assert second != first and "images_per_class" in (second / "config.yaml").read_text()


def test_model_that_changes_while_it_is_fetched_is_fetched_again(remote, monkeypatch):
    get, change = remote.get_file, [b"data: {source: toy_birds, images_per_class: 2}\n"]

    def changing(*arguments, **options):
        if change:
            remote.pipe("/bucket/birds/config.yaml", change.pop())
        return get(*arguments, **options)

    monkeypatch.setattr(remote, "get_file", changing)
    folder = presets.locate(URL)
    assert "images_per_class" in (folder / "config.yaml").read_text()
    assert [p for p in folder.parent.iterdir() if p.is_dir()] == [folder]


def test_fetch_that_breaks_off_leaves_nothing(remote, cache, monkeypatch):
    get = remote.get_file

    def failing(name, path, **options):
        if name.endswith("generator.weights.h5"):
            raise OSError("the network is gone")
        return get(name, path, **options)

    monkeypatch.setattr(remote, "get_file", failing)
    assert refuse("generate", "--model", URL, "--caption", "a bird") == (
        f"{URL}: OSError: the network is gone"
    )
    assert not list(cache.rglob("metadata.json"))


def test_damaged_model_is_told_as_any_other(remote):
    remote.pipe("/bucket/birds/generator.weights.h5", b"no weights")
    with pytest.raises(UserError, match=r"generator\.weights\.h5: cannot be loaded as generator"):
        TextToImage.from_preset(URL)


def test_place_without_a_model_is_told(memory):
    with pytest.raises(UserError, match=r"^memory://bucket/nothing: holds no model"):
        resolve("memory://bucket/nothing")


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("generate", "--out-dir"),
        ("generate", "--out"),
        ("evaluate", "--out"),
        ("evaluate", "--keep-images"),
        ("figures", "--out"),
        ("convert", "--out"),
        ("convert", "--export-torch"),
        ("export.saved_model", "--out"),
        ("export.to_onnx", "--out"),
        ("ablation", "--run-dir"),
        ("edge", "--model"),
        ("evaluate", "--images-dir"),
        ("prepare_data", "cub"),
    ],
)
def test_what_must_be_local_is_told(command, option):
    line = refuse(command, option, "s3://bucket/out.png")
    assert line == "s3://bucket/out.png: name a local file or folder here, and copy it yourself."
