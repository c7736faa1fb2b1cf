"""Presets: found by name from any folder, and whatever is wrong with one is told in one line."""

import logging
import shutil
from dataclasses import asdict
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

from dmgan_tf.errors import UserError
from dmgan_tf.inference import presets
from dmgan_tf.inference.model_directory import fingerprint, model_in, resolve
from dmgan_tf.inference.presets import Card, load_card, locate, names, preset_judge, preset_name
from dmgan_tf.inference.text_to_image import TextToImage
from dmgan_tf.presets import main as list_presets

CARD = Card(
    title="Red birds",
    data="none",
    command="none",
    cost="none",
    machine="none",
    date="2026-11-25",
    commit=None,
    licence="MIT",
    limitations="It was not trained.",
    fingerprint="",
    settings="",
)


@pytest.fixture
def box(directory, tmp_path, monkeypatch):
    """The folder of two presets, `red_birds` and `judge`; the working folder is another."""
    root = tmp_path / "presets"
    for name, judge in (("red_birds", "judge"), ("judge", None)):
        shutil.copytree(directory, root / name)
        card = asdict(CARD) | {"fingerprint": fingerprint(directory), "judge": judge}
        card["settings"] = presets.settings_hash(directory)
        (root / name / "card.yaml").write_text(yaml.safe_dump(card))
    monkeypatch.setattr(presets, "ROOT", root)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return root


def refused(function, *arguments):
    """The message of the user error that a call ends with; always one line."""
    with pytest.raises(UserError) as caught:
        function(*arguments)
    (line,) = str(caught.value).splitlines()
    return line


# --- found --------------------------------------------------------------------------------------


def test_preset_is_found_by_its_name_and_draws_what_its_model_draws(box, directory):
    assert names() == ["judge", "red_birds"]
    assert resolve(Path("red_birds")) == box / "red_birds"
    by_name, by_folder = (TextToImage.from_preset(m) for m in ("red_birds", directory))
    np.testing.assert_array_equal(by_name.generate("a red bird"), by_folder.generate("a red bird"))


def test_preset_is_known_by_its_folder_however_that_is_written(box, directory):
    assert preset_name(box / "red_birds") == preset_name(box / "x" / ".." / "red_birds")
    assert preset_name(box / "red_birds") == "red_birds"
    assert preset_name(directory) is None


def test_judge_is_the_one_that_the_card_names(box, directory):
    assert preset_judge(box / "red_birds") == box / "judge"
    assert preset_judge(box / "judge") is None
    assert preset_judge(directory) is None


def test_folder_wins_over_a_preset_of_its_name_with_a_warning(box, directory, caplog):
    shutil.copytree(directory, "red_birds")
    with caplog.at_level(logging.WARNING, "dmgan_tf"):
        found = resolve(
            locate("red_birds")
        )  # as a command line and its model do, one after another
    assert found == Path("red_birds").absolute()
    (record,) = caplog.records
    assert record.getMessage() == (
        "red_birds: the folder here is taken, not the preset of that name."
    )


def test_folder_of_another_name_is_taken_without_a_warning(box, directory, caplog):
    shutil.copytree(directory, "mine")
    with caplog.at_level(logging.WARNING, "dmgan_tf"):
        assert resolve(Path("mine")) == Path("mine")
    assert not caplog.records


@pytest.mark.parametrize("named", [".", "..", "/", "runs/red_birds", "/nowhere"])
def test_what_is_no_plain_name_is_never_a_preset(box, named):
    assert locate(named) == Path(named)


def test_run_that_goes_on_does_not_take_a_preset_for_its_own_folder(box):
    assert "holds no model" in refused(model_in, Path("red_birds"))


def test_partial_folders_are_no_presets(box):
    (box / ".red.0123.partial").mkdir()
    assert names() == ["judge", "red_birds"]


# --- not found, or damaged ----------------------------------------------------------------------


def test_unknown_name_is_refused_with_the_nearest_and_all_others(box):
    assert refused(resolve, Path("red_brids")) == (
        "red_brids: there is no such folder and no preset of that name. Did you mean 'red_birds'? "
        "Presets: judge, red_birds. The folder of a run or of a model will do as well."
    )


def test_unknown_name_is_refused_where_there_are_no_presets(box, monkeypatch):
    monkeypatch.setattr(presets, "ROOT", box / "nowhere")
    assert names() == []
    assert "of that name. Presets: none. The folder" in refused(resolve, Path("red_birds"))


def damaged(preset):
    """Why a preset is refused; always with its name and the way out."""
    line = refused(resolve, Path("red_birds"))
    head, tail = "The preset 'red_birds' is damaged: ", " Install dmgan_tf again."
    assert line.startswith(f"{head}{preset}")
    assert line.endswith(tail)
    return line.removeprefix(head).removesuffix(tail)


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("card.yaml", "cannot be read"),
        ("metadata.json", "holds no model's metadata"),
        ("config.yaml", "config.yaml: cannot be read: "),
        ("vocabulary.json", "weights and words have the fingerprint"),
        ("generator.weights.h5", "generator.weights.h5: there is no such file."),
        ("image_encoder.weights.h5", "image_encoder.weights.h5: there is no such file."),
    ],
)
def test_missing_file_is_told(box, file, reason):
    (box / "red_birds" / file).unlink()
    assert reason in damaged(box / "red_birds")


def test_changed_copy_of_a_preset_is_told_with_the_way_out(box, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(box / "red_birds", copy)
    assert resolve(copy) == copy
    with h5py.File(copy / "generator.weights.h5", "a") as file:
        file["initial_stage/dense/vars/0"][...] = 0
    line = refused(resolve, copy)
    assert line.startswith(f"{copy}: is no whole copy of a preset: {copy}: weights and words have")
    assert line.endswith("Copy it again, or rename its card.yaml to take it as it is.")
    (copy / "card.yaml").unlink()
    assert resolve(copy) == copy


@pytest.mark.parametrize("held", ["null", "5", '["generator"]'])
def test_strangers_metadata_are_told_however_they_look(box, held):
    (box / "red_birds" / "metadata.json").write_text(f'{{"format": 1, "networks": {held}}}')
    assert "is not that of the card" in damaged(box / "red_birds")


def test_changed_weights_are_told_with_both_fingerprints(box):
    path = box / "red_birds" / "generator.weights.h5"
    wanted = fingerprint(box / "red_birds")
    with h5py.File(path, "a") as file:
        file["initial_stage/dense/vars/0"][...] = 0
    reason = damaged(box / "red_birds")
    assert wanted in reason and fingerprint(box / "red_birds") in reason


@pytest.mark.parametrize("share", [0, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("byte", [None, 0xFF])
def test_truncated_and_overwritten_weights_are_told(box, share, byte):
    path = box / "red_birds" / "generator.weights.h5"
    content = path.read_bytes()
    kept = int(len(content) * share)
    rest = b"" if byte is None else bytes([byte]) * (len(content) - kept)
    path.write_bytes(content[:kept] + rest)
    damaged(box / "red_birds")


@pytest.mark.parametrize("file", ["metadata.json", "config.yaml"])
def test_changed_settings_are_told(box, file):
    """By other ones the same weights would draw other pictures."""
    path = box / "red_birds" / file
    path.write_text(path.read_text() + "\n")
    assert damaged(box / "red_birds").endswith(
        "metadata.json or config.yaml is not that of the card."
    )


def test_changed_words_are_told(box):
    path = box / "red_birds" / "vocabulary.json"
    path.write_text(path.read_text().replace("red", "blue"))
    assert "the words were changed after they were saved" in damaged(box / "red_birds")


def test_another_format_is_told(box):
    path = box / "red_birds" / "metadata.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
    assert "format 2 is not 1, the one this version reads." in damaged(box / "red_birds")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"titel": "Birds"}, "unknown key `titel`. Did you mean `title`?"),
        ({"fingerprint": 7}, "`fingerprint` must be text. Received: 7 (int)."),
        ({"scores": ["fid"]}, "`scores` must be `key: value` lines. Received: ['fid'] (list)."),
    ],
)
def test_card_of_other_keys_or_types_is_told(box, change, reason):
    path = box / "red_birds" / "card.yaml"
    path.write_text(yaml.safe_dump(asdict(load_card(path.parent)) | change))
    assert reason in damaged(box / "red_birds")


def test_card_that_is_no_yaml_is_told(box):
    (box / "red_birds" / "card.yaml").write_text("title: [")
    assert "not valid YAML" in damaged(box / "red_birds")


def test_damaged_cards_are_told_after_the_list_of_the_others(box, capsys, monkeypatch):
    for name in ("a_bird", "no_card"):
        shutil.copytree(box / "judge", box / name)
    (box / "a_bird" / "card.yaml").write_text("title: [")
    (box / "no_card" / "card.yaml").unlink()
    monkeypatch.setattr("sys.argv", ["dmgan presets"])
    line = refused(list_presets)
    assert capsys.readouterr().out == "judge: Red birds\nred_birds: Red birds\n"
    assert line.startswith("The preset 'a_bird' is damaged: ")
    assert " The preset 'no_card' is damaged: " in line


def test_judge_that_is_not_in_the_box_is_told(box):
    shutil.rmtree(box / "judge")
    line = refused(preset_judge, box / "red_birds")
    assert line.startswith("The preset 'red_birds' is damaged: its judge 'judge' is no preset.")
