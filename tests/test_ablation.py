"""`python -m dmgan_tf.ablation`: the rows of Table 3, trained, scored and put side by side."""

import json

import pytest
from command_lines import TINY, call, fail, refuse, succeed
from PIL import Image

from dmgan_tf import ablation
from dmgan_tf.ablation_table import ROWS, as_markdown, read_scores, save_plot
from dmgan_tf.config_file import load_config
from dmgan_tf.errors import UserError


def lay_out(folder, row, seed, **scores):
    place = folder / row / f"seed_{seed}"
    place.mkdir(parents=True)
    report = {"images": 5, **scores, "protocol": {name: {} for name in scores}}
    (place / "evaluation.json").write_text(json.dumps(report))


@pytest.fixture
def finished(tmp_path):
    for seed, value in enumerate((0.5, 0.7)):
        lay_out(tmp_path, "baseline", seed, r_precision=value, color_share={"body": value / 2})
    lay_out(tmp_path, "response_gate", 0, r_precision=0.9)
    return tmp_path


def test_table_has_mean_and_deviation_of_the_seeds(finished):
    table = read_scores(finished)
    assert as_markdown(table).splitlines() == [
        "| 2 seeds | r_precision | color_share body |",
        "|---|---|---|",
        "| baseline | 0.6 ± 0.14 | 0.3 ± 0.071 |",
        "| +M+WG+RG | 0.9 |  |",
    ]


def test_plot_has_a_panel_per_score(finished):
    save_plot(finished / "table.png", read_scores(finished))
    width, height = Image.open(finished / "table.png").size
    assert width > 1.5 * height  # two panels side by side


def test_runs_that_are_not_there_or_damaged_are_told(tmp_path):
    with pytest.raises(UserError, match="holds no finished run"):
        read_scores(tmp_path)
    lay_out(tmp_path, "memory", 0, r_precision=0.1)
    path = tmp_path / "memory" / "seed_0" / "evaluation.json"
    path.write_text("{")
    with pytest.raises(UserError, match=r"evaluation\.json: is no report of scores"):
        read_scores(tmp_path)


def test_rows_switch_one_thing_at_a_time(tmp_path):
    settings = [[f"{k}={str(v).lower()}" for k, v in row.items()] for row in ROWS.values()]
    generators = [load_config(TINY[1], changed).generator for changed in settings]
    assert len(set(generators)) == 5
    switched = [g.memory + g.separate_values + g.writing_gate + g.response_gate for g in generators]
    assert switched == [0, 1, 2, 3, 4]


def test_config_that_is_not_there_is_one_line():
    assert "nowhere.yaml" in fail("ablation", "--config", "nowhere.yaml")


@pytest.fixture
def begun(tmp_path, monkeypatch):
    """A folder that was begun, and the command lines that it was begun with."""
    called = []
    monkeypatch.setattr(ablation, "_call", lambda *line: called.append(line))
    with pytest.raises(UserError, match="holds no finished run"):
        call("ablation", *TINY, "--run-dir", tmp_path)
    return tmp_path, called


def test_folder_of_another_request_is_refused_and_left_as_it_was(begun):
    folder, _ = begun
    before = (folder / "request.json").read_text()
    for other in (("--set", "training.seed=5"), ("--evaluate", "--metrics fid")):
        message = refuse("ablation", *TINY, *other, "--run-dir", folder)
        assert "request.json: was begun with another config or --evaluate" in message
    assert [path.name for path in folder.iterdir()] == ["request.json"]
    assert (folder / "request.json").read_text() == before


def test_folder_that_was_begun_before_a_key_was_there_is_gone_on_with(begun):
    folder, called = begun
    request = json.loads((folder / "request.json").read_text())
    assert request["config"]["training"].pop("step_timeout_seconds")
    (folder / "request.json").write_text(json.dumps(request))
    called.clear()
    with pytest.raises(UserError, match="holds no finished run"):
        call("ablation", *TINY, "--run-dir", folder)
    assert called


@pytest.mark.slow
def test_rows_are_trained_scored_and_not_twice(tmp_path):
    folder, rows = tmp_path / "ablation", ["attention", "response_gate"]
    arguments = [*TINY, "--seeds", 1, "--rows", ",".join(rows), "--run-dir", folder]
    arguments += ["--evaluate", "--metrics fid,r_precision --images 100"]
    printed = succeed("ablation", *arguments, timeout=1200)  # six processes
    table = json.loads((folder / "table.json").read_text())
    assert list(table) == rows
    for scores in table.values():
        assert len(scores["fid_damsm"]) == len(scores["r_precision"]) == 1
    assert (folder / "table.md").read_text().strip() in printed
    metadata = json.loads((folder / "attention" / "seed_0" / "evaluation.json").read_text())
    assert not metadata["judge_is_own"]
    again = succeed("ablation", *arguments)
    assert "dmgan_tf.train" not in again and "dmgan_tf.evaluate" not in again
