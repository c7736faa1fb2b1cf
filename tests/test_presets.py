"""Presets through the command lines: packed, listed, drawn with, scored; and those in the box."""

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from command_lines import (
    CARD_TEXTS,
    ROOT,
    call,
    refuse,
    run,
    succeed,
)
from PIL import Image

from dmgan_tf import build, experiment
from dmgan_tf.config_file import load_config
from dmgan_tf.errors import UserError
from dmgan_tf.export.preset import draw_grid
from dmgan_tf.inference import presets
from dmgan_tf.inference.model_directory import fingerprint, load_metadata, load_network, resolve
from dmgan_tf.inference.presets import load_card
from dmgan_tf.inference.text_to_image import TextToImage

IN_THE_BOX = presets.names()
DRAWING = [name for name in IN_THE_BOX if load_card(presets.find(name)).scores]


@pytest.fixture
def elsewhere(box, strategy, tmp_path, monkeypatch):
    """An empty working folder; the presets are those of `box`."""
    monkeypatch.setattr(presets, "ROOT", box)
    monkeypatch.setattr(build, "local_strategy", lambda: strategy)
    monkeypatch.setenv("DMGAN_TF_CACHE", str(tmp_path / "cache"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "elsewhere"


def files(folder):
    """Names and bytes of all files below a folder."""
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def assert_repeats(card, report):
    """Whether a report has what a card says. Another machine may round a grey level otherwise."""
    wanted = card.scores
    assert wanted.keys() == report.keys()
    for key in ("images", "side", "seed", "data", "model", "judge", "judge_is_own"):
        assert report.get(key) == wanted.get(key), key
    for name in (key for key in wanted if key.startswith(tuple(wanted["protocol"]))):
        assert report[name] == pytest.approx(wanted[name], rel=5e-3, abs=2e-3), name


# --- packed -------------------------------------------------------------------------------------


def test_packed_preset_holds_the_model_its_card_and_its_pictures(box, tiny_run):
    assert {path.name for path in (box / "tiny").iterdir()} == {
        *("card.yaml", "grid.png", "metadata.json", "config.yaml", "vocabulary.json"),
        *(f"{name}.weights.h5" for name in ("generator", "text_encoder", "image_encoder")),
    }
    assert not (box / "tiny_judge" / "grid.png").exists()  # it does not draw
    assert fingerprint(box / "tiny") == fingerprint(tiny_run / "model")
    with Image.open(box / "tiny" / "grid.png") as grid:
        assert min(grid.size) > 16 * 4
    assert {path.name for path in box.iterdir()} == {"tiny", "tiny_judge"}


def test_card_has_command_and_commit_of_the_run_and_the_scores_as_they_were_written(box, tiny_run):
    card, run = load_card(box / "tiny"), json.loads((tiny_run / "run.json").read_text())
    assert card.command.startswith("python -m dmgan_tf.train --config ")
    assert (card.commit, card.date) == (run["commit"], run["begun"][:10])
    assert card.scores == json.loads((box.parent / "reports" / "tiny.json").read_text())
    assert (card.judge, card.scores["judge"]) == ("tiny_judge", fingerprint(box / "tiny_judge"))
    assert load_card(box / "tiny_judge").scores == {}


def test_grid_is_drawn_again_without_data_and_refused_where_none_was(box, tiny_run, monkeypatch):
    monkeypatch.setattr(build, "captions", None)
    with Image.open(box / "tiny" / "grid.png") as grid:
        np.testing.assert_array_equal(grid.convert("RGB"), draw_grid(box / "tiny"))
    for folder in (box / "tiny_judge", tiny_run):
        with pytest.raises(UserError, match=r"has no grid to draw: no card.yaml there names"):
            draw_grid(folder)


@pytest.mark.parametrize(
    ("model", "options", "told"),
    [
        ("tiny_run", (), "draws, so its card needs scores: give --evaluation."),
        ("tiny_run", ("--evaluation", "nowhere.json"), "nowhere.json: cannot be read as JSON"),
        ("tiny_run", ("--evaluation", "tiny.json"), "tiny.json: its judge is "),
        ("tiny_run", ("--evaluation", "other.json"), "other.json: its model is 0123, that of "),
        (
            "tiny_run",
            ("--evaluation", "tiny.json", "--judge", "tiny_jugde"),
            "no preset of that name. Did you mean 'tiny_judge'?",
        ),
        ("model", (), "no run.json stands here or above: a preset comes from a run."),
        ("tiny_judge", ("--name", "tiny"), "tiny is there already"),
    ],
)
def test_what_cannot_be_packed_is_told_and_nothing_is_left(
    model, options, told, request, elsewhere, box
):
    shutil.copy(box.parent / "reports" / "tiny.json", ".")
    report = json.loads(Path("tiny.json").read_text())
    Path("other.json").write_text(json.dumps(report | {"model": "0123"}))
    if model == "model":
        model = shutil.copytree(request.getfixturevalue("tiny_judge") / "model", "model")
    else:
        model = request.getfixturevalue(model)
    named = options if "--name" in options else ("--name", "new", *options)
    before = files(box)
    line = refuse("export.preset", "--model", Path(model).absolute(), *named, *CARD_TEXTS)
    assert told in line
    assert files(box) == before
    assert not list(box.glob(".*"))


def test_preset_without_its_image_encoder_draws_and_is_judged_but_lends_no_encoders(
    elsewhere, box, tiny_run, strategy, tmp_path, monkeypatch, capsys
):
    shutil.copytree(box, tmp_path / "other")
    monkeypatch.setattr(presets, "ROOT", tmp_path / "other")
    report = box.parent / "reports" / "tiny.json"
    options = "--name", "drawing", "--evaluation", report, "--without-image-encoder", *CARD_TEXTS
    with pytest.raises(SystemExit):
        call("export.preset", "--model", tiny_run, *options)
    assert "--without-image-encoder: " in capsys.readouterr().err
    judge = "--model", "tiny_judge", "--judge", "tiny_judge", "--name", "drawing", *CARD_TEXTS
    told = refuse("export.preset", *judge, "--without-image-encoder")
    assert "tiny_judge holds text_encoder, image_encoder. It must draw" in told
    call("export.preset", "--model", tiny_run, *options, "--judge", "tiny_judge")
    folder = tmp_path / "other" / "drawing"
    assert not (folder / "image_encoder.weights.h5").exists()
    for picture, whole in zip(
        *(TextToImage.from_preset(m).generate("a red bird", 3) for m in ("drawing", tiny_run)),
        strict=True,
    ):
        np.testing.assert_array_equal(picture, whole)
    card = load_card(folder)
    assert card.fingerprint != fingerprint(tiny_run / "model")
    call("evaluate", "--model", "drawing", *shlex.split(card.evaluate))
    assert_repeats(card, json.loads(Path("drawing_evaluation/evaluation.json").read_text()))
    options = "--images", 110, "--metrics", "r_precision", "--out", "own.json"
    call("evaluate", "--model", "drawing", "--judge", tiny_run, *options)
    assert json.loads(Path("own.json").read_text())["judge_is_own"]  # its text encoder tells
    assert "Name another with --judge." in refuse(
        "evaluate", "--model", "drawing", "--judge", "drawing", *options
    )
    for key in ("damsm.directory", "training.initial_model"):
        config = load_config(ROOT / "tests" / "configs" / "tiny.yaml", [f"{key}=drawing"])
        with pytest.raises(UserError, match=f"`{key}`: drawing holds no image encoder"):
            experiment.train(config, elsewhere / "run", strategy)


# --- used ---------------------------------------------------------------------------------------


def test_presets_are_listed_and_a_card_is_shown_for_people(elsewhere):
    assert call("presets").splitlines() == [
        "tiny: Noise of 16 pixels",
        "tiny_judge: Noise of 16 pixels",
    ]
    shown = call("presets", "--show", "tiny")
    card = load_card(presets.find("tiny"))
    for text in (card.data, card.commit, card.licence, "judge: tiny_judge", "r_precision: "):
        assert text in shown
    assert shown.endswith(f"dmgan evaluate --model tiny {card.evaluate}\n")
    assert "Scores" not in call("presets", "--show", "tiny_judge")


def test_preset_draws_by_its_name_from_any_folder(elsewhere, tiny_run):
    call("generate", "--model", "tiny", "--caption", "a red bird", "--seed", 3, "--out", "a.png")
    expected = TextToImage.from_preset(tiny_run).generate("a red bird", 3)[0]
    np.testing.assert_array_equal(np.asarray(Image.open("a.png")), expected)
    call("figures", "--model", "tiny", "--compare", tiny_run, "--only", "stages", "--out", "pages")
    assert Path("pages/stages.png").is_file()


def test_judge_that_is_no_preset_makes_a_damaged_one(elsewhere, box, tmp_path, monkeypatch):
    shutil.copytree(box, tmp_path / "other")
    monkeypatch.setattr(presets, "ROOT", tmp_path / "other")
    card = tmp_path / "other" / "tiny" / "card.yaml"
    card.write_text(card.read_text().replace("judge: tiny_judge", "judge: ../tiny_judge"))
    line = refuse("evaluate", "--model", "tiny")
    assert "'tiny' is damaged: its judge '../tiny_judge' is no preset." in line


def test_judge_does_not_draw(elsewhere):
    line = refuse("generate", "--model", "tiny_judge", "--caption", "a red bird")
    assert line.endswith(
        "tiny_judge: holds no generator, but text_encoder, image_encoder. "
        "Name a model that has one."
    )


def test_scores_of_the_card_are_repeated_and_nothing_is_written_into_the_package(elsewhere, box):
    card, before = load_card(box / "tiny"), files(box)
    call("evaluate", "--model", "tiny", *shlex.split(card.evaluate))
    assert_repeats(card, json.loads(Path("tiny_evaluation/evaluation.json").read_text()))
    assert {str(path) for path in files(elsewhere)} == {
        f"tiny_evaluation/{name}"
        for name in ("evaluation.json", "evaluation.md", "grid.png", "grid_real.png")
    }
    assert files(box) == before


def test_another_judge_may_be_named(elsewhere, box):
    options = "--images", 110, "--metrics", "r_precision", "--out", "own.json"
    call("evaluate", "--model", box / "tiny", "--judge", "tiny", *options)
    report = json.loads(Path("own.json").read_text())
    assert report["judge_is_own"] and report["judge"] == report["model"]


@pytest.mark.parametrize(
    ("encoders", "told"),
    [
        ("tiny_judge", "Received: 16, but {box}/tiny_judge has 8."),
        ("tiny_jugde", "no preset of that name. Did you mean 'tiny_judge'?"),
    ],
)
def test_encoders_of_training_are_looked_up_among_the_presets(
    encoders, told, elsewhere, box, strategy
):
    settings = [f"damsm.directory={encoders}", "text_encoder.feature_size=16"]
    config = load_config(ROOT / "tests" / "configs" / "tiny.yaml", settings)
    with pytest.raises(UserError) as caught:
        experiment.train(config, elsewhere / "run", strategy)
    assert told.format(box=box) in str(caught.value)
    assert not (elsewhere / "run").exists()


@pytest.mark.slow
def test_training_takes_encoders_and_networks_of_presets(elsewhere, box, strategy):
    settings = ["training.initial_model=tiny", "damsm.directory=tiny_judge", "training.steps=1"]
    config = load_config(ROOT / "tests" / "configs" / "tiny.yaml", settings)
    model = experiment.train(config, elsewhere / "run", strategy)
    mine, theirs = (load_network(m, "image_encoder") for m in (model, box / "tiny_judge"))
    for one, other in zip(mine.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_exports_take_the_name_of_a_preset(elsewhere):
    call("export.saved_model", "--model", "tiny", "--out", "served")
    assert Path("served/1/saved_model.pb").is_file()


def test_a_script_tells_an_unknown_preset_in_one_line():
    process = run("export.saved_model", "--model", "nowhere", "--out", "served")
    assert process.returncode == 2
    (line,) = process.stderr.splitlines()
    assert line.startswith("error: nowhere: there is no such folder and no preset of that name.")


# --- in the box ---------------------------------------------------------------------------------


def test_presets_keep_the_package_small():
    sizes = [sum(path.stat().st_size for path in (presets.ROOT / n).iterdir()) for n in IN_THE_BOX]
    assert max(sizes) < 8 * 2**20 and sum(sizes) < 16 * 2**20


def test_every_preset_in_the_box_is_as_it_was_packed():
    for name in IN_THE_BOX:
        folder = resolve(presets.find(name))
        card = load_card(folder)
        assert fingerprint(folder) == card.fingerprint
        draws = "generator" in load_metadata(folder)["networks"]
        assert draws == (folder / "grid.png").is_file() == bool(card.scores) == bool(card.grid)
        assert card.judge is None or card.judge in IN_THE_BOX


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWING)
def test_preset_in_the_box_draws_its_grid_again(name):
    packed = np.asarray(Image.open(presets.find(name) / "grid.png").convert("RGB"), np.int16)
    # Processors round differently, and a rare noise value may choose other surroundings then.
    assert np.abs(draw_grid(name) - packed).mean() < 5


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWING)
def test_preset_in_the_box_repeats_the_scores_of_its_card(name, tmp_path):
    folder = presets.find(name)
    card, data = load_card(folder), load_config(folder / "config.yaml").data
    if data.source == "prepared" and not (ROOT / data.directory).is_dir():
        pytest.skip(f"needs {data.directory}; the head of configs/{name}.yaml makes it")
    out = tmp_path / "report.json"
    options = *shlex.split(card.evaluate), "--out", out
    succeed("evaluate", "--model", name, *options, timeout=1800)
    assert_repeats(card, json.loads(out.read_text()))
