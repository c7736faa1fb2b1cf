"""Which run a folder's run may go on as."""

import json
import re
from pathlib import Path

import pytest

from dmgan_tf.config_file import load_config
from dmgan_tf.errors import UserError
from dmgan_tf.training.run_folder import RunFolder

TINY = Path(__file__).parents[1] / "configs" / "tiny.yaml"


def begin(path, *settings):
    with RunFolder(load_config(TINY, settings), path, resume=False):
        pass


def go_on(path, *settings):
    with RunFolder(load_config(TINY, settings), path, resume=True):
        pass


@pytest.mark.parametrize(
    "setting", ["training.steps=9", "training.log_every_steps=1", "training.keep_checkpoints=7"]
)
def test_what_changes_no_weight_of_the_steps_done_is_taken_and_kept(tmp_path, setting):
    begin(tmp_path / "run")
    go_on(tmp_path / "run", setting)
    assert load_config(tmp_path / "run" / "config.yaml") == load_config(TINY, [setting])
    origin = json.loads((tmp_path / "run" / "run.json").read_text())
    (change,) = origin["changed"]
    assert change["command"] == origin["command"]
    go_on(tmp_path / "run", setting)
    assert json.loads((tmp_path / "run" / "run.json").read_text()) == origin


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("training.steps=3", "training.steps was 4, is 3"),
        ("training.evaluation_images=4", "training.evaluation_images was 8, is 4"),
        ("training.seed=7", "training.seed was 0, is 7"),
        ("generator.memory_gain=1", "generator.memory_gain was 2.0, is 1.0"),
        ("augmentation.color=false", "augmentation.color was True, is False"),
    ],
)
def test_another_run_is_refused_and_the_folder_left_as_it_was(tmp_path, setting, told):
    begin(tmp_path / "run")
    before = (tmp_path / "run" / "config.yaml").read_text()
    with pytest.raises(UserError, match=re.escape(told)):
        go_on(tmp_path / "run", setting)
    assert (tmp_path / "run" / "config.yaml").read_text() == before


def test_config_of_an_older_version_has_the_defaults_of_this_one(tmp_path):
    begin(tmp_path / "run", "augmentation.cutout=0")
    config = tmp_path / "run" / "config.yaml"
    text = config.read_text()
    assert "  cutout: 0.0\n" in text
    config.write_text(text.replace("  cutout: 0.0\n", ""))
    go_on(tmp_path / "run", "augmentation.cutout=0")


def test_damaged_config_is_named(tmp_path):
    begin(tmp_path / "run")
    (tmp_path / "run" / "config.yaml").write_text("training: [")
    with pytest.raises(UserError, match=r"config\.yaml: not valid YAML"):
        go_on(tmp_path / "run")
