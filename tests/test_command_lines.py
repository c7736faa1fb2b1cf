"""The command lines as a user meets them: files written, exit codes, and one line for a mistake."""

import gc
import json
import shutil
import subprocess
import sys
import weakref

import h5py
import numpy as np
import pytest
import tensorflow  # noqa: F401 - it is there when it is asked for again
from command_lines import ROOT, TINY, call, fail, refuse, run, succeed
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dmgan_tf.command_line import import_tensorflow
from dmgan_tf.config_file import load_config
from dmgan_tf.errors import UserError
from dmgan_tf.training.run_folder import RunFolder

CAPTION = "a red bird with a blue wing"
SIDE, GAP = 16, 2  # of the tiny model's last stage, and of a grid


def size(path):
    """(width, height) of a picture that can be read to its end."""
    with Image.open(path) as image:
        image.load()
        return image.size


def test_what_is_there_when_tensorflow_is_asked_for_again_can_be_collected():
    class Cycle:
        def __init__(self):
            self.itself = self

    cycle = Cycle()
    seen = weakref.ref(cycle)
    import_tensorflow()
    del cycle
    gc.collect()
    assert seen() is None and gc.isenabled()


def test_sigterm_lets_a_command_tidy_up():
    script = """
import time
from dmgan_tf.command_line import run

def main():
    try:
        print("going", flush=True)
        time.sleep(600)
    finally:
        print("tidied", flush=True)

run(main)
"""
    line = [sys.executable, "-c", script]
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "going\n"
        process.terminate()
        assert process.stdout.read() == "tidied\n"
    assert process.returncode == 143


# --- train and pretrain_damsm -------------------------------------------------------------------


def test_run_leaves_model_best_checkpoints_samples_and_log(tiny_run):
    for name in ("model", "best", "damsm/model"):
        assert (tiny_run / name / "metadata.json").is_file()
    assert json.loads((tiny_run / "model/metadata.json").read_text())["step"] == 4
    steps = [path.name for path in sorted((tiny_run / "checkpoints").iterdir())]
    assert steps == ["step_00000002", "step_00000004"]
    assert len(list((tiny_run / "samples").glob("stage_16_step_*.png"))) == 2
    assert "step 4 " in (tiny_run / "train.log").read_text()
    events = EventAccumulator(str(tiny_run / "tensorboard"), {"tensors": 0}).Reload()
    for name in ("attention_entropy/1", "memory_deviation/1", "generator_loss"):
        assert [event.step for event in events.Tensors(name)] == [2, 4]


def test_run_keeps_its_config_seed_commit_and_versions(tiny_run):
    assert load_config(tiny_run / "config.yaml") == load_config(TINY[1], [TINY[3]])
    origin = json.loads((tiny_run / "run.json").read_text())
    assert origin["seed"] == 0
    assert set(origin["versions"]) == {"tensorflow", "keras", "numpy"}
    assert "--run-dir" in origin["command"]
    assert origin.keys() >= {"commit", "python", "begun"}


def test_pretraining_leaves_the_two_encoders(tiny_judge):
    networks = json.loads((tiny_judge / "model/metadata.json").read_text())["networks"]
    assert set(networks) == {"text_encoder", "image_encoder"}


@pytest.mark.slow
def test_dry_run_prints_config_and_the_authors_parameter_counts_and_writes_nothing(tmp_path):
    process = run("train", "--config", "cub.yaml", "--dry-run", cwd=tmp_path)
    lines = process.stdout.splitlines()
    assert "  vocabulary_size: 5450" in lines
    counts = dict(line.split() for line in lines[-6:])
    assert counts == {
        "text_encoder": "2,075,320",
        "image_encoder": "721,152",
        "generator": "21,449,042",
        "discriminator_64": "1,878,242",
        "discriminator_128": "5,155,810",
        "discriminator_256": "18,264,546",
    }
    assert process.returncode == 2
    (line,) = process.stderr.splitlines()
    assert "data/cub: is no prepared folder" in line
    assert "`image_encoder.weights` must name Keras' ImageNet weights" in line
    assert not list(tmp_path.iterdir())


# --- generate -----------------------------------------------------------------------------------


def test_one_caption_becomes_one_picture_and_unknown_words_are_named(tiny_run, tmp_path):
    arguments = ("--model", tiny_run, "--caption", "a red zeppelin bird")
    process = run("generate", *arguments, cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines() == ["Pictures: picture.png"]
    assert size(tmp_path / "picture.png") == (SIDE, SIDE)
    (warning,) = [line for line in process.stderr.splitlines() if line.startswith("WARNING: Left")]
    assert "['zeppelin']" in warning


def drawn(path):
    return np.asarray(Image.open(path)).astype(int)


def test_captions_file_and_count_become_a_labelled_grid_a_row_per_caption(tiny_run, tmp_path):
    captions = tmp_path / "captions.txt"
    captions.write_text(f"{CAPTION}\n\n  the blue bird  \r\n", encoding="utf-8-sig")
    picture = tmp_path / "new" / "grid.png"
    arguments = ("--model", tiny_run / "model", "--captions-file", captions, "--count", 3)
    call("generate", *arguments, "--seed", 5, "--out", picture, "--attention")
    side = 12 * SIDE  # enlarged to 192 pixels
    width, height = size(picture)
    assert width == 3 * side + 2 * 8
    assert height > 2 * side + 2 * 13  # a line of text below each
    for i in (1, 2):
        width, height = size(picture.with_name(f"grid_attention_{i}.png"))
        assert width > 100
        assert height > 100
    assert len(list(picture.parent.iterdir())) == 3

    # The second picture of the first caption is that of seed 6.
    alone = tmp_path / "alone.png"
    call("generate", "--model", tiny_run, "--caption", CAPTION, "--seed", 6, "--out", alone)
    grid, single = drawn(picture), drawn(alone)
    assert single.shape == (SIDE, SIDE, 3)
    np.testing.assert_allclose(grid[:side:12, side + 8 : 2 * side + 8 : 12], single, atol=1)
    assert np.abs(grid[:side:12, :side:12] - single).max() > 1


def test_several_captions_are_all_drawn(tiny_run, tmp_path):
    both, one = tmp_path / "both.jpg", tmp_path / "one.png"
    arguments = ("--caption", CAPTION, "the blue bird", "--caption", "a red bird", "--out", both)
    call("generate", "--model", tiny_run, *arguments)
    assert size(both)[0] == 3 * 12 * SIDE + 2 * 8
    call("generate", "--model", tiny_run, "--caption", "the blue bird", "--out", one)
    shown = drawn(both)[: 12 * SIDE : 12, 12 * SIDE + 8 : 24 * SIDE + 8 : 12]
    assert np.abs(shown - drawn(one)).max() < 40  # JPEG


def test_stages_are_rows_and_pictures_columns(tiny_run, tmp_path):
    picture = tmp_path / "stages.png"
    arguments = ("--caption", CAPTION, "--count", 3, "--stages", "--attention", "--out", picture)
    call("generate", "--model", tiny_run, *arguments)
    width, height = size(picture)
    assert width > 3 * 192 and height > 2 * 192
    assert size(tmp_path / "stages_attention.png")[0] > 100


# --- mistakes -----------------------------------------------------------------------------------


def test_caption_without_a_known_word_is_refused(tiny_run, tmp_path):
    foreign, picture = "zeppelin über 東京", tmp_path / "picture.png"
    line = fail("generate", "--model", tiny_run, "--caption", foreign, "--out", picture)
    assert f"The caption {foreign!r} can't be drawn" in line
    line = refuse("generate", "--model", tiny_run, "--caption", "", "--out", picture)
    assert "The caption '' can't be drawn" in line
    assert not list(tmp_path.iterdir())


def test_a_line_of_a_file_that_cannot_be_drawn_is_named_before_any_is_drawn(tiny_run, tmp_path):
    captions = tmp_path / "captions.txt"
    captions.write_text("a red bird\n\nzeppelin\n")
    options = "--captions-file", captions, "--out", tmp_path / "a.png"
    line = refuse("generate", "--model", tiny_run, *options)
    assert line.startswith(f"{captions}, line 3: The caption 'zeppelin' can't be drawn")
    assert [path.name for path in tmp_path.iterdir()] == ["captions.txt"]


def test_vocabulary_of_another_model_is_refused(tiny_run, tmp_path):
    from dmgan_tf.data.vocabulary import END, Vocabulary

    copy = shutil.copytree(tiny_run / "model", tmp_path / "model")
    Vocabulary([END, "red", "bird"]).save(copy / "vocabulary.json")
    arguments = ("--caption", "red bird", "--out", tmp_path / "a.png")
    line = refuse("generate", "--model", copy, *arguments)
    assert "generator.weights.h5: was trained with another vocabulary" in line


def test_a_run_that_still_trains_its_encoders_goes_on_by_itself(tmp_path):
    config = load_config(TINY[1], [TINY[3], "training.steps=77"])
    with RunFolder(config, tmp_path / "run" / "damsm", resume=False):
        pass
    printed = succeed("train", "--resume", "--run-dir", tmp_path / "run", "--dry-run")
    assert "  steps: 77\n" in printed
    assert printed.endswith("All that this run needs is there.\n")


def refuse_to_train(strategy, config, run_dir, *settings, resume=False):
    """The one line that `train` ends with, in this process."""
    from dmgan_tf import experiment

    with pytest.raises(UserError) as caught:
        experiment.train(load_config(config, settings), run_dir, strategy, resume)
    (line,) = str(caught.value).splitlines()
    return line


@pytest.mark.parametrize("folder", ["", "damsm"], ids=["the GAN", "the encoders"])
def test_a_run_that_was_begun_is_refused_without_resume(folder, tmp_path, strategy):
    config = load_config(TINY[1], [TINY[3]])
    with RunFolder(config, tmp_path / "run" / folder, resume=False):
        pass
    line = refuse_to_train(strategy, TINY[1], tmp_path / "run", TINY[3])
    assert line.startswith(f"{tmp_path / 'run' / folder} holds a run already. Use --resume to")


def test_run_folder_of_another_config_is_refused_with_what_differs(tiny_run, strategy):
    settings = (TINY[3], "training.batch_size=6")
    line = refuse_to_train(strategy, TINY[1], tiny_run, *settings, resume=True)
    assert "is the run of another config: training.batch_size was 4, is 6. Go on with" in line


def test_map_of_features_that_is_too_small_is_named_with_its_side(tiny_run, tmp_path, strategy):
    settings = (TINY[3], f"damsm.directory={tiny_run}", "discriminator.feature_maps=[5]")
    line = refuse_to_train(strategy, TINY[1], tmp_path / "run", *settings)
    assert "a power of two from 8 on. Received: 5, whose side is 2 at an input side of 16." in line
    assert not (tmp_path / "run").exists()


def test_missing_data_are_named_with_the_format_wanted(tmp_path, strategy, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = refuse_to_train(strategy, ROOT / "configs" / "cub.yaml", tmp_path / "run")
    assert "data/cub: is no prepared folder: it has no metadata.json. Get the data from" in line
    assert not list(tmp_path.iterdir())


def test_encoders_of_another_size_than_the_config_wants_are_refused(tiny_judge, tmp_path, strategy):
    settings = (TINY[3], f"damsm.directory={tiny_judge}", "text_encoder.feature_size=16")
    line = refuse_to_train(strategy, TINY[1], tmp_path / "run", *settings)
    assert "`text_encoder.feature_size` must be that of the encoders that training takes" in line
    assert "Received: 16, but" in line


# In weight files, of first stage, refinements and picture heads.
_KERNELS = ("dense/vars/0", "conv_in/vars/0", "upsample/vars/0", "image_heads/conv2d/vars/0")


@pytest.mark.slow
@pytest.mark.parametrize("stages", [2, 3])
def test_training_begins_with_the_networks_of_a_model(stages, tiny_run, tmp_path):
    settings = {"initial_model": tiny_run, "steps": 1, "generator_learning_rate": 1e-9}
    options = [o for k, v in settings.items() for o in ("--set", f"training.{k}={v}")]
    options += ["--set", f"generator.stages={stages}"]
    succeed("train", *TINY, *options, "--run-dir", tmp_path / "run")
    folders = tiny_run, tmp_path / "run"
    begun, run = (h5py.File(folder / "model" / "generator.weights.h5") for folder in folders)
    with begun, run:
        names = []
        begun.visit(names.append)
        kernels = [name for name in names if name.endswith(_KERNELS)]
        assert len(kernels) > len(_KERNELS)
        for name in kernels:
            np.testing.assert_allclose(run[name][()], begun[name][()], rtol=0, atol=1e-7)
        assert len(run["image_heads"]) == stages
    assert not (tmp_path / "run" / "damsm").exists()
    line = fail(
        *("train", *TINY, *options, "--set", "generator.noise_size=6"),
        *("--run-dir", tmp_path / "other"),
    )
    assert "`training.initial_model`: the generator of " in line
    assert "does not fit the config's" in line
