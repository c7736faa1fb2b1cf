"""Models from and to a hub: a real server on this machine, and huggingface_hub itself."""

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from command_lines import ROOT, environment
from hub_server import TOKEN, HubServer

from dmgan_tf import push
from dmgan_tf.errors import UserError
from dmgan_tf.evaluation.report import as_markdown, check_protocols
from dmgan_tf.inference import hub, presets
from dmgan_tf.inference.model_directory import fingerprint, load_network, resolve
from dmgan_tf.inference.weight_files import weight_files, write_safetensors

library = pytest.importorskip("huggingface_hub")
NAME = "somebody/red-birds"
URL = f"hf://{NAME}"
REPORT = {
    "images": 100,
    "seed": 0,
    "judge": "ad0f42acf63e41a4",
    "fid_damsm": 12.25,
    "fid_damsm_real": 1.5,
    "r_precision": 0.75,
    "r_precision_std": 0.025,
    "protocol": {"fid_damsm": {"network": "damsm"}, "r_precision": {"candidates": 100}},
}


@pytest.fixture
def server(tmp_path, monkeypatch):
    started = HubServer()
    constants = importlib.import_module("huggingface_hub.constants")
    monkeypatch.setattr(constants, "ENDPOINT", started.url)
    template = started.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no_token"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    yield started
    started.close()


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


def pushes(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["dmgan push", *map(str, arguments)])
    return push.main()


# --- loading ------------------------------------------------------------------------------------


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


def test_damaged_file_is_refused_until_it_is_loaded_again(server, pushed):
    name = "text_encoder.safetensors"
    server.served[name] = pushed[name][:-1] + bytes([pushed[name][-1] ^ 1])
    line = refused(resolve, URL)
    assert line.startswith(f"{NAME}: weights and words have the fingerprint ")
    folder = line.partition("Remove ")[2].partition(" and load")[0]
    shutil.rmtree(folder)
    server.served.clear()
    resolve(URL)


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


# --- pushing ------------------------------------------------------------------------------------


@pytest.fixture
def scored(directory):
    """The report of a model's scores, in its folder, as `evaluate` leaves it."""
    return write_report(directory, REPORT | {"model": fingerprint(directory)})


def write_report(directory, report):
    from dmgan_tf.evaluation.report import save

    save(directory / "evaluation.json", report)
    (directory / "grid.png").write_bytes(b"a picture")
    return report


TEXTS = ("--licence", "MIT", "--data", "drawn birds")


def test_pushed_model_is_the_one_that_is_loaded(server, directory, scored, monkeypatch, capsys):
    server.create(NAME)
    server.commit(NAME, {"old.safetensors": b"", "generator.weights.h5": b"", "notes.txt": b""})
    pushes(monkeypatch, directory, URL, *TEXTS, "--title", "Red birds")
    sha, files = server.files(NAME)
    assert f"Uploaded: {URL}@{sha}" in capsys.readouterr().out
    weights = {f"{name}.safetensors" for name in ("generator", "text_encoder", "image_encoder")}
    others = {"metadata.json", "config.yaml", "vocabulary.json", "README.md", "grid.png"}
    assert set(files) == weights | others | {"notes.txt"}
    assert fingerprint(resolve(URL)) == fingerprint(directory)
    _, head, text = files["README.md"].decode().split("---\n", 2)
    assert yaml.safe_load(head) == {
        "license": "mit",
        "library_name": "dmgan_tf",
        "pipeline_tag": "text-to-image",
        "tags": ["dm-gan", "text-to-image", "tensorflow", "keras"],
        "fingerprint": fingerprint(directory),
    }
    for part in (
        "# Red birds\n",
        "(grid.png)",
        "**Data.** drawn birds",
        "| r_precision | 0.75 ± 0.025 |  |  | candidates 100 |",
        f"dmgan generate --model {URL}",
        f'TextToImage.from_preset("{URL}")',
    ):
        assert part in text


def test_preset_brings_its_own_card(server, monkeypatch):
    pushes(monkeypatch, "toy_birds", URL, "--create", "--private")
    text = server.files(NAME)[1]["README.md"].decode()
    assert "license: mit" in text
    assert "# Drawn birds at 64 px" in text
    assert "| r_precision | 0.882 ± 0.03 | 0.685 ± 0.032 |" in text
    assert "grid.png" in server.files(NAME)[1]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"protocol": {}}, "has no protocol of fid_damsm, "),
        ({"kid_damsm": 0.1}, "has no protocol of kid_damsm, so nobody can repeat it."),
        ({"model": "0123456789abcdef"}, "scores the model 0123456789abcdef, this one is "),
        ({"protocol": 7}, "has no protocol of fid_damsm, "),
    ],
)
def test_scores_that_nobody_can_repeat_are_refused(
    server, directory, scored, change, told, monkeypatch
):
    server.create(NAME)
    write_report(directory, scored | change)
    assert told in refused(pushes, monkeypatch, directory, URL, *TEXTS)
    assert not [request for request in server.requests if request.startswith("POST")]


def test_model_without_scores_is_refused_unless_said_so(server, directory, monkeypatch):
    server.create(NAME)
    assert "has no scores" in refused(pushes, monkeypatch, directory, URL, *TEXTS)
    pushes(monkeypatch, directory, URL, *TEXTS, "--without-scores")
    assert "None were measured." in server.files(NAME)[1]["README.md"].decode()


def test_what_pushing_needs_is_told_in_one_line(server, directory, scored, monkeypatch):
    def told(*arguments):
        return refused(pushes, monkeypatch, directory, URL, *arguments)

    assert told() == "The model card needs --licence and --data."
    assert (
        told(*TEXTS)
        == f"{URL}: there is no such repository that this token sees. --create makes it."
    )
    monkeypatch.setenv("HF_TOKEN", "hf_another")
    server.create(NAME)
    assert told(*TEXTS).startswith(f"{URL}: ")
    monkeypatch.delenv("HF_TOKEN")
    assert told(*TEXTS) == "There is no token to upload with: `hf auth login`, or set HF_TOKEN."
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    server.close()
    assert told(*TEXTS).startswith(f"{URL}: ConnectError: ")


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


# --- the table ----------------------------------------------------------------------------------


def test_table_has_every_score_with_its_protocol():
    report = REPORT | {"fid_damsm_blurred": 200.0}
    check_protocols(report, "report")
    assert as_markdown(report).splitlines() == [
        "| score | drawn | real pictures | blurred real pictures | protocol |",
        "|---|---|---|---|---|",
        "| fid_damsm | 12.25 | 1.5 | 200 | network damsm |",
        "| r_precision | 0.75 ± 0.025 |  |  | candidates 100 |",
        "",
        "Of all scores: images 100, seed 0, judge ad0f42acf63e41a4.",
    ]


def test_scores_of_the_presets_have_their_protocols():
    for name in presets.names():
        scores = presets.load_card(presets.find(name)).scores
        if scores:
            check_protocols(scores, name)
