"""Models from a hub: a real server on this machine, and huggingface_hub itself."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_lines import ROOT, environment

from dmgan_tf.errors import UserError
from dmgan_tf.inference import hub, presets
from dmgan_tf.inference.model_directory import fingerprint, load_network, resolve
from dmgan_tf.inference.weight_files import weight_files, write_safetensors

library = pytest.importorskip("huggingface_hub")
NAME = "somebody/red-birds"
URL = f"hf://{NAME}"


@pytest.fixture
def pushed(server, directory):
    """The files of a model that is on the hub, by their paths."""
    server.create(NAME)
    return publish(server, directory)


def publish(server, directory):
    folder = directory.parent / "as_safetensors"
    shutil.copytree(directory, folder, ignore=shutil.ignore_patterns("*.h5"))
    for name, path in weight_files(directory).items():
        write_safetensors(path, folder / f"{name}.safetensors")
    (folder / "README.md").write_text(
        f"---\nfingerprint: '{fingerprint(directory)}'\n---\n# Birds\n"
    )
    (folder / "virus.exe").write_bytes(b"nobody wants it")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    server.commit(NAME, files)
    return files


def refused(function, *arguments):
    """The message of the user error that a call ends with; always one line."""
    with pytest.raises(UserError) as caught:
        function(*arguments)
    (line,) = str(caught.value).splitlines()
    return line


def test_model_is_loaded_once_and_only_its_own_files(server, pushed, directory):
    model = resolve(URL)
    wanted = sorted(set(pushed) - {"virus.exe"})
    assert sorted(server.downloads()) == wanted == sorted(p.name for p in model.iterdir())
    assert fingerprint(model) == fingerprint(directory)
    for found, expected in zip(
        load_network(model, "text_encoder").get_weights(),
        load_network(directory, "text_encoder").get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(found, expected)
    assert resolve(URL) == resolve(model) == model
    assert hub.repository(model) == NAME
    assert len(server.downloads()) == len(wanted)


def test_a_path_means_what_its_text_means(server, pushed, tmp_path):
    assert presets.locate(type(tmp_path)(URL)) == presets.locate(URL)


def test_cached_model_is_taken_without_a_network(server, pushed):
    model = resolve(URL)
    server.close()
    assert resolve(URL) == model


def test_without_network_and_cache_it_is_told(server):
    server.close()
    assert refused(resolve, URL).startswith(f"{URL}: can't be reached, and is not in the cache")


def test_revision_is_a_branch_or_a_commit(server, pushed):
    old = server.branches[NAME]["main"]
    new = server.commit(NAME, pushed | {"config.yaml": b"data: {source: folder}\n"})
    server.branches[NAME]["v1"] = old
    assert resolve(f"{URL}@v1") == resolve(f"{URL}@{old}") == resolve(f"{URL}@v1")
    assert resolve(f"{URL}@v1").name == old
    assert resolve(URL).name == new
    assert refused(resolve, f"{URL}@v2") == f"{URL}@v2: the repository has no such revision."


@pytest.mark.parametrize(
    "name", ["hf://birds", "hf://a/b/c", "hf://a/b@", "hf:///a/b", "hf://../b@x y"]
)
def test_other_forms_of_a_name_are_refused(name):
    assert refused(resolve, name).endswith("must be hf://user/model or hf://user/model@revision.")


def test_unknown_repository_is_refused(server):
    line = refused(resolve, "hf://somebody/nothing")
    assert line.startswith("hf://somebody/nothing: there is no such repository, or it is private")


def test_repository_without_a_model_is_refused(server):
    server.create(NAME)
    assert "holds no model" in refused(resolve, URL) or "pattern" in refused(resolve, URL)


@pytest.mark.parametrize("name", ["text_encoder.safetensors", "config.yaml"])
def test_damaged_file_is_refused_until_it_is_loaded_again(server, pushed, name):
    server.served[name] = pushed[name][:-1] + bytes([pushed[name][-1] ^ 1])
    line = refused(resolve, URL)
    assert line.startswith(f"{URL}: {name} is not what the hub has: remove ")
    Path(line.partition("remove ")[2].partition(", and load")[0]).unlink()
    server.served.clear()
    resolve(URL)


def test_large_file_is_held_against_its_sha256_wherever_the_cache_has_it(server, pushed):
    model = resolve(URL)
    content = pushed["generator.safetensors"]
    blob = (model / "generator.safetensors").resolve()
    assert blob.name == hashlib.sha256(content).hexdigest()
    # huggingface_hub keeps files of hf_xet apart in a similar way, by a hash of another kind.
    shared = blob.parents[2] / "shared-blobs" / ("0" * 64)
    shared.parent.mkdir()
    blob.rename(shared)
    blob.symlink_to(os.path.relpath(shared, blob.parent))
    assert resolve(URL) == model
    shared.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert f"generator.safetensors is not what the hub has: remove {shared}" in refused(
        resolve, URL
    )
    shared.unlink()
    assert resolve(URL) == model
    assert (model / "generator.safetensors").read_bytes() == content


def test_file_of_another_size_is_refused(server, pushed):
    server.served["vocabulary.json"] = b"{}"
    assert refused(resolve, URL).startswith(f"{URL}: ")


def test_wrong_fingerprint_on_the_card_is_refused(server, pushed):
    server.commit(NAME, pushed | {"README.md": b"---\nfingerprint: 0123456789abcdef\n---\n"})
    assert ", in README.md it is 0123456789abcdef. Remove " in refused(resolve, URL)


def test_card_without_a_fingerprint_is_no_obstacle_but_a_strangers_class_is(server, pushed):
    metadata = pushed["metadata.json"].replace(b'"TextEncoder"', b'"os.system"')
    server.commit(NAME, pushed | {"README.md": b"# Birds\n", "metadata.json": metadata})
    model = resolve(URL)
    assert "describes no text_encoder" in refused(load_network, model, "text_encoder")


def test_missing_package_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert "pip install 'dmgan_tf[hub]'" in refused(resolve, URL)


@pytest.mark.slow
def test_command_line_draws_a_model_of_the_hub(server, directory, tmp_path):
    server.create(NAME)
    publish(server, directory)
    packages = os.pathsep.join([str(ROOT), str(Path(library.__file__).parents[1])])
    settings = {
        "HF_ENDPOINT": server.url,
        "HF_HOME": str(tmp_path / "home"),
        "PYTHONPATH": packages,
    }
    command = [sys.executable, "-m", "dmgan_tf", "generate", "--caption", "a red bird", "--model"]
    for name, code in ((URL, 0), ("hf://somebody/nothing", 2)):
        arguments = [*command, name, "--out", str(tmp_path / "bird.png")]
        process = subprocess.run(
            arguments, env=environment() | settings, capture_output=True, text=True, timeout=300
        )
        assert process.returncode == code, process.stderr
    assert (tmp_path / "bird.png").is_file()
    assert process.stderr.splitlines()[-1].startswith("error: hf://somebody/nothing: there is no")
