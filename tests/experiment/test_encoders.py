"""Pretraining of the encoders: what it may go on as."""

import re
import shutil
from pathlib import Path

import pytest

from dmgan_tf.config_file import load_config
from dmgan_tf.errors import UserError
from dmgan_tf.experiment import pretrain
from dmgan_tf.inference.model_directory import fingerprint

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
    return load_config(TINY, settings)


@pytest.fixture(scope="module")
def pretrained(strategy, tmp_path_factory):
    """The folder of a finished pretraining."""
    folder = tmp_path_factory.mktemp("encoders") / "run"
    pretrain(config(), folder, strategy)
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
