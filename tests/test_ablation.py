"""`python -m dmgan_tf.ablation`: the rows of Table 3, trained, scored and put side by side."""

import json

import pytest
from command_lines import TINY, fail, refuse, succeed
from PIL import Image

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


def test_folder_of_another_request_is_refused_and_left_as_it_was(tmp_path):
    (tmp_path / "request.json").write_text("{}")
    message = refuse("ablation", *TINY, "--run-dir", tmp_path)
    assert "request.json: was begun with another config or --evaluate" in message
    assert [path.name for path in tmp_path.iterdir()] == ["request.json"]


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
