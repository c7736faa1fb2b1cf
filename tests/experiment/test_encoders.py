"""Pretraining of the encoders: what it may go on as, and how they are scored meanwhile."""

import dataclasses
import json
import logging
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from dmgan_tf import build
from dmgan_tf.config_file import load_config
from dmgan_tf.errors import UserError
from dmgan_tf.experiment import pretrain
from dmgan_tf.experiment.watchers import retrieval
from dmgan_tf.inference.model_directory import fingerprint, load_metadata, load_network

TINY = Path(__file__).parents[1] / "configs" / "tiny.yaml"
GAN_SETTINGS = [
    "generator.noise_size=5",
    "generator.condition_size=3",
    "generator.memory=false",
    "generator.writing_gate=false",
    "discriminator.base_width=3",
    "augmentation.translation=0",
    "training.batch_size=6",
    "training.steps=2",
    "training.ema_decay=0.5",
    "training.mixed_precision=bfloat16",
]


def config(*settings):
    return load_config(TINY, ["training.evaluation_images=12", *settings])


@pytest.fixture(scope="module")
def pretrained(strategy, tmp_path_factory):
    """The folder of a finished pretraining."""
    folder = tmp_path_factory.mktemp("encoders") / "run"
    logger = logging.getLogger("dmgan_tf")
    level = logger.level
    logger.setLevel(logging.INFO)
    pretrain(config(), folder, strategy)
    logger.setLevel(level)
    return folder


@pytest.fixture
def unfinished(pretrained, tmp_path):
    """The same as a kill after its first checkpoint would have left it."""
    folder = shutil.copytree(pretrained, tmp_path / "run")
    shutil.rmtree(folder / "checkpoints" / "step_00000003")
    return folder


def test_unfinished_pretraining_goes_on_bit_for_bit_with_other_gan_settings(
    pretrained, unfinished, strategy
):
    model = pretrain(config(*GAN_SETTINGS), unfinished, strategy, resume=True)
    assert fingerprint(model) == fingerprint(pretrained / "model")
    assert load_config(unfinished / "config.yaml") == config(*GAN_SETTINGS)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("data.max_words=9", "data.max_words was 18, is 9"),
        ("text_encoder.dropout=0.1", "text_encoder.dropout was 0.5, is 0.1"),
        ("damsm.learning_rate=1", "damsm.learning_rate was 0.002, is 1.0"),
        ("generator.stages=3", "generator.stages was 2, is 3"),
        ("training.seed=7", "training.seed was 0, is 7"),
    ],
)
def test_what_pretraining_depends_on_may_not_change(unfinished, strategy, setting, told):
    with pytest.raises(UserError, match=re.escape(told)):
        pretrain(config(setting), unfinished, strategy, resume=True)


def test_classes_too_small_for_groups_are_told_and_leave_no_folder(strategy, tmp_path):
    with pytest.raises(UserError, match=r"^`damsm\.pictures_per_class` is 2, .* has only 1\."):
        pretrain(config("damsm.pictures_per_class=2"), tmp_path / "run", strategy)
    assert not list(tmp_path.iterdir())


def test_best_encoders_are_those_of_the_highest_logged_score(pretrained):
    log = (pretrained / "train.log").read_text()
    scores = {
        int(step): float(share)
        for step, share in re.findall(r"step (\d+) \{'r_precision': ([\d.]+)\}", log)
    }
    assert list(scores) == [2, 3]  # every 0.05 epochs, and the last
    best = load_metadata(pretrained / "best")
    assert scores[best["step"]] == best["r_precision"] == max(scores.values())
    load_network(pretrained / "best", "image_encoder")
    assert load_metadata(pretrained / "model")["step"] == 3


def test_better_encoders_of_an_earlier_part_stay_the_best(unfinished, strategy):
    path = unfinished / "best" / "metadata.json"
    better = json.dumps(json.loads(path.read_text()) | {"r_precision": 1.0})
    path.write_text(better)
    pretrain(config(), unfinished, strategy, resume=True)
    assert path.read_text() == better


def few(pictures):
    part = {name: getattr(pictures, name)[:9] for name in ("captions", "class_ids", "images")}
    return dataclasses.replace(pictures, **part)


def of_one_class(pictures):
    return dataclasses.replace(pictures, class_ids=0 * pictures.class_ids)


def of_few_captions(pictures):
    return dataclasses.replace(pictures, captions=pictures.captions[:9] + pictures.captions[:3])


def absent(pictures):
    raise UserError("holds no picture of the test split")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (few, "Received: 9 of 9"),
        (of_one_class, "Received: 12 of 1"),
        (of_few_captions, "Received: 9 of"),
        (absent, "captions: holds no picture of the test split"),
    ],
)
def test_where_too_few_are_held_out_nothing_is_scored(change, told, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "dmgan_tf")
    test_split = build.pictures(config(), "test")
    vocabulary = build.vocabulary(config(), build.pictures(config(), "train"))
    monkeypatch.setattr(build, "pictures", lambda config, split: change(test_split))
    task = SimpleNamespace(config=config(), trainer=None, vocabulary=vocabulary)
    assert retrieval(task, None, None) == []
    assert told in caplog.text
