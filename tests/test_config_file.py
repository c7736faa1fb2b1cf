"""Config files: where they are found, what overrides them, and that they are read as written."""

from functools import partial
from pathlib import Path

import pytest
from config_texts import refused, write_config

from dmgan_tf.config_file import find_config, load_config
from dmgan_tf.errors import UserError

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.yaml"))


@pytest.fixture
def file(tmp_path):
    """A function that writes a config file, by default the smallest that is valid."""
    return partial(write_config, tmp_path)


# --- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["data: {source: toy_birds", "a: b: c", "data:\n\t- x", "a: \x00"])
def test_broken_yaml_is_refused_in_one_line_that_names_the_file(file, text):
    path = file(text)
    assert refused(path).startswith(f"{path}: not valid YAML: ")


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "words\n"])
def test_file_without_sections_is_refused(file, text):
    path = file(text)
    assert refused(path) == f"{path}: must hold sections such as `data:`."


def test_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "picture.yaml"
    path.write_bytes(b"\xff\xd8\xff\xe0")
    assert refused(path).startswith(f"{path}: cannot be read: ")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_shipped_config_loads_and_tells_how_to_start_it(path):
    assert load_config(path).training.steps >= 1000
    assert f"--config {path.name}" in path.read_text(encoding="utf-8")


def test_shipped_config_is_found_by_its_name_from_anywhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert load_config(find_config("cub.yaml")).text_encoder.vocabulary_size == 5450


def test_file_in_the_working_directory_goes_before_a_shipped_one(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cub.yaml").write_text("data: {source: toy_birds}\n")
    assert load_config(find_config("cub.yaml")).data.source == "toy_birds"


def test_config_that_is_nowhere_is_refused_with_both_places(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        find_config("nothing.yaml")
    message = str(caught.value)
    assert str(tmp_path / "nothing.yaml") in message
    assert f"nor in {CONFIGS[0].parent}. It has coco, cub, " in message


# --- overrides ----------------------------------------------------------------------------------


def test_overrides_win_over_the_file_and_the_last_over_the_first(file):
    path = file("data: {source: toy_birds}\ntraining: {batch_size: 4}\n")
    overrides = [
        "training.batch_size=6",
        "training.batch_size=8",
        "training.generator_learning_rate=1e-4",
        "training.mixed_precision=off",
        "generator.memory=true",
        "image_encoder.widths=[1, 2, 3, 4, 5]",
        "damsm.directory=runs/a=b",
    ]
    config = load_config(path, overrides)
    assert config.training.batch_size == 8
    assert config.training.generator_learning_rate == 1e-4
    assert config.training.mixed_precision == "off"
    assert config.generator.memory is True
    assert config.image_encoder.widths == (1, 2, 3, 4, 5)
    assert config.damsm.directory == "runs/a=b"


@pytest.mark.parametrize("override", ["training.steps", "steps=3", "=3", "", "training"])
def test_override_of_another_form_is_refused(file, override):
    message = refused(file(), [override])
    assert message == f"--set takes section.key=value. Received: {override!r}."


def test_override_of_an_unknown_key_is_refused_with_its_nearest_match(file):
    message = refused(file(), ["training.step=3"])
    assert message.startswith("--set training.step=3: unknown key `training.step`.")
    assert message.endswith("Did you mean `training.steps`?")


def test_override_of_a_wrong_type_is_refused_by_its_own_name(file):
    message = refused(file(), ["training.steps=many"])
    assert message.startswith("--set training.steps=many: `training.steps` must be a whole number.")


def test_overrides_that_a_range_error_names_are_told_with_it(file):
    message = refused(file(), ["training.ema_decay=1.5", "training.steps=3"])
    assert message.endswith("Received: ema_decay=1.5. See --set training.ema_decay=1.5.")


def test_override_below_a_value_is_refused(file):
    path = file("data: {source: toy_birds}\ntraining: {steps: 3}\n")
    assert "'steps' is no section" in refused(path, ["training.steps.more=3"])


def test_override_that_is_no_yaml_is_refused(file):
    message = refused(file(), ["damsm.gammas=[1, 2"])
    assert message == "--set damsm.gammas=[1, 2: the value is not valid YAML."


# --- round trip ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_config_written_and_read_again_is_the_same(path, tmp_path):
    overrides = ["training.kl_weight=1e-7", "damsm.directory=über/a b", "training.seed=3"]
    config = load_config(path, overrides)
    copy = tmp_path / "copy.yaml"
    copy.write_text(config.to_yaml(), encoding="utf-8")
    assert load_config(copy) == config
    assert load_config(str(copy)) == config
