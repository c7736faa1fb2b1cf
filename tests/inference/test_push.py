"""Models to a hub: what is uploaded, what is refused; a real server on this machine."""

import sys

import numpy as np
import pytest
import yaml
from hub_server import TOKEN
from score_report import REPORT

from dmgan_tf import push
from dmgan_tf.errors import UserError
from dmgan_tf.evaluation.report import save
from dmgan_tf.inference.model_directory import fingerprint, resolve
from dmgan_tf.inference.text_to_image import TextToImage

NAME = "somebody/red-birds"
URL = f"hf://{NAME}"


def refused(function, *arguments):
    """The message of the user error that a call ends with; always one line."""
    with pytest.raises(UserError) as caught:
        function(*arguments)
    (line,) = str(caught.value).splitlines()
    return line


def pushes(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["dmgan push", *map(str, arguments)])
    return push.main()


@pytest.fixture
def scored(directory):
    """The report of a model's scores, in its folder, as `evaluate` leaves it."""
    return write_report(directory, REPORT | {"model": fingerprint(directory)})


def write_report(directory, report):
    save(directory / "evaluation.json", report)
    (directory / "grid.png").write_bytes(b"a picture")
    return report


TEXTS = ("--licence", "MIT", "--data", "drawn birds")


def test_pushed_model_is_the_one_that_is_loaded(server, directory, scored, monkeypatch, capsys):
    server.create(NAME)
    server.commit(
        NAME, {"generator.weights.h5": b"", "notes.txt": b"", "vae/model.safetensors": b""}
    )
    pushes(monkeypatch, directory, URL, *TEXTS, "--title", "Red birds")
    sha, files = server.files(NAME)
    assert f"Uploaded: {URL}@{sha}" in capsys.readouterr().out
    weights = {f"{name}.safetensors" for name in ("generator", "text_encoder", "image_encoder")}
    others = {"metadata.json", "config.yaml", "vocabulary.json", "README.md", "grid.png"}
    assert set(files) == weights | others | {"notes.txt", "vae/model.safetensors"}
    uploaded = [request for request in server.requests if request.startswith("PUT /large/")]
    assert len(uploaded) == len(weights)
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


def test_weights_that_the_hub_has_are_not_uploaded_again(server, directory, scored, monkeypatch):
    server.create(NAME)
    for _ in range(2):
        server.requests.clear()
        pushes(monkeypatch, directory, URL, *TEXTS)
    assert not [request for request in server.requests if request.startswith("PUT")]
    assert "generator.safetensors" in server.files(NAME)[1]


def test_preset_brings_its_own_card(server, monkeypatch):
    pushes(monkeypatch, "toy_birds", URL, "--create", "--private")
    text = server.files(NAME)[1]["README.md"].decode()
    assert "license: mit" in text
    assert "# Drawn birds at 64 px" in text
    assert "| r_precision | 0.871 ± 0.028 | 0.686 ± 0.031 |" in text
    assert "grid.png" in server.files(NAME)[1]


def test_out_keeps_what_would_be_uploaded(server, directory, scored, monkeypatch, tmp_path, capsys):
    out = tmp_path / "kept" / "red-birds"
    monkeypatch.delenv("HF_TOKEN")
    pushes(monkeypatch, directory, "--out", out, *TEXTS)
    assert capsys.readouterr().out == f"Written: {out}\n"
    assert not server.requests
    assert "dmgan generate --model red-birds " in (out / "README.md").read_text()
    assert not list(out.glob("*.h5")) and (out / "generator.safetensors").is_file()
    kept, own = (TextToImage.from_preset(folder) for folder in (out, directory))
    np.testing.assert_array_equal(kept.generate("a red bird", 1), own.generate("a red bird", 1))

    monkeypatch.setenv("HF_TOKEN", TOKEN)
    server.create(NAME)
    pushes(monkeypatch, directory, URL, *TEXTS)
    pushes(monkeypatch, directory, URL, "--out", tmp_path / "dry", *TEXTS)
    uploaded = {p: c for p, c in server.files(NAME)[1].items() if p != ".gitattributes"}
    assert {p.name: p.read_bytes() for p in (tmp_path / "dry").iterdir()} == uploaded
    assert "is there already" in refused(pushes, monkeypatch, directory, "--out", out, *TEXTS)


def test_neither_repository_nor_folder_is_told(directory, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        pushes(monkeypatch, directory, *TEXTS)
    assert "Name a repository to upload to, hf://user/model, or a folder" in capsys.readouterr().err


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


def test_folders_of_the_config_are_not_uploaded(server, directory, monkeypatch):
    server.create(NAME)
    path = directory / "config.yaml"
    config = yaml.safe_load(path.read_text())
    config["data"]["directory"] = "/home/somebody/birds"
    path.write_text(yaml.safe_dump(config))
    pushes(monkeypatch, directory, URL, *TEXTS, "--without-scores")
    uploaded = yaml.safe_load(server.files(NAME)[1]["config.yaml"])
    assert uploaded == config | {"data": config["data"] | {"directory": "birds"}}
