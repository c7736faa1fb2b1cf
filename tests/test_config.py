"""The values of a config: which keys, types and ranges there are, and the words for what is not."""

from functools import partial

import pytest
from config_texts import refused, write_config

from dmgan_tf.config_file import load_config


@pytest.fixture
def file(tmp_path):
    """A function that writes a config file, by default the smallest that is valid."""
    return partial(write_config, tmp_path)


# --- keys ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "unknown", "meant"),
    [
        ("generator: {memory_chanels: 8}", "generator.memory_chanels", "generator.memory_channels"),
        ("training: {batchsize: 8}", "training.batchsize", "training.batch_size"),
        ("generater: {stages: 2}", "generater", "generator"),
    ],
)
def test_misspelt_key_is_refused_with_its_nearest_match(file, text, unknown, meant):
    path = file(f"data: {{source: toy_birds}}\n{text}\n")
    assert refused(path) == f"{path}: unknown key `{unknown}`. Did you mean `{meant}`?"


def test_key_like_no_other_is_refused_with_a_list_of_all(file):
    path = file("data: {source: toy_birds}\ndiscriminator: {qqq: 1}\n")
    known = "base_width, batch_deviation, feature_maps"
    assert refused(path) == f"{path}: unknown key `discriminator.qqq`. Known: {known}."


def test_key_that_is_no_text_is_refused(file):
    assert "unknown key `data.7`" in refused(file("data: {source: toy_birds, 7: 1}\n"))


@pytest.mark.parametrize("kind", ["inception_v3", "efficientnet_lite2"])
def test_maps_of_features_need_an_encoder_that_has_them(file, kind):
    path = file("data: {source: toy_birds}\ndiscriminator: {feature_maps: [2]}\n")
    override = f"image_encoder.kind={kind}"
    assert refused(path, [override]).endswith(
        "`discriminator.feature_maps` needs `image_encoder.kind: compact` or `efficientnet_lite0`. "
        f"Received: {kind!r}. See --set {override}."
    )


def test_perceptual_loss_needs_maps_to_compare(file):
    path = file("data: {source: toy_birds}\ntraining: {perceptual_weight: 2}\n")
    assert refused(path).endswith(
        "`training.perceptual_weight` needs `discriminator.feature_maps`, in which it compares "
        "pictures: name some, or set training.perceptual_weight=0."
    )


def test_prior_is_no_larger_than_features(file):
    line = refused(file(), ["text_encoder.feature_size=4", "generator.prior_size=5"])
    assert "must be at most `text_encoder.feature_size`. Received: 5, and 4." in line


def test_missing_section_is_named(file):
    path = file("training: {steps: 1}\n")
    assert refused(path) == f"{path}: missing key `data`."


# --- types --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "key", "wanted", "received"),
    [
        ("training: {steps: on}", "training.steps", "a whole number", "True (bool)"),
        ("training: {steps: true}", "training.steps", "a whole number", "True (bool)"),
        ("training: {steps: 2.5}", "training.steps", "a whole number", "2.5 (float)"),
        ("training: {steps: many}", "training.steps", "a whole number", "'many' (str)"),
        ("training: {steps: '8'}", "training.steps", "a whole number", "'8' (str)"),
        ("training: {steps: }", "training.steps", "a whole number", "None (NoneType)"),
        ("training: {beta_1: yes}", "training.beta_1", "a number", "True (bool)"),
        ("training: {beta_1: half}", "training.beta_1", "a number", "'half' (str)"),
        ("training: {beta_1: .nan}", "training.beta_1", "a number", "nan (float)"),
        ("training: {kl_weight: .inf}", "training.kl_weight", "a number", "inf (float)"),
        ("training: {kl_weight: 'inf'}", "training.kl_weight", "a number", "inf (float)"),
        ("generator: {memory: 1}", "generator.memory", "true or false", "1 (int)"),
        ("generator: {memory: 'no'}", "generator.memory", "true or false", "'no' (str)"),
        ("image_encoder: {kind: 3}", "image_encoder.kind", "text", "3 (int)"),
        ("damsm: {directory: 3}", "damsm.directory", "text", "3 (int)"),
        ("damsm: {gammas: 4}", "damsm.gammas", "a list", "4 (int)"),
        ("damsm: {gammas: [4, x, 1]}", "damsm.gammas[1]", "a number", "'x' (str)"),
        ("image_encoder: {widths: [1, 2, 3.5, 4, 5]}", "image_encoder.widths[2]", "a whole", "3.5"),
    ],
)
def test_value_of_a_wrong_type_is_refused(file, line, key, wanted, received):
    path = file(f"data: {{source: toy_birds}}\n{line}\n")
    message = refused(path)
    assert message.startswith(f"{path}: `{key}` must be {wanted}")
    assert f"Received: {received}" in message


@pytest.mark.parametrize("text", ["1e-4", "'1e-4'", "1.0e-4", "0.0001"])
def test_float_may_be_written_in_any_form(file, text):
    path = file(f"data: {{source: toy_birds}}\ntraining: {{generator_learning_rate: {text}}}\n")
    assert load_config(path).training.generator_learning_rate == 1e-4


def test_whole_number_in_the_place_of_a_float_becomes_a_float(file):
    path = file("data: {source: toy_birds}\ntraining: {kl_weight: 2}\ndamsm: {gammas: [1, 2, 3]}\n")
    config = load_config(path)
    assert isinstance(config.training.kl_weight, float)
    assert [type(gamma) for gamma in config.damsm.gammas] == [float] * 3


def test_switch_may_be_written_as_on(file):
    path = file("data: {source: toy_birds, horizontal_flip: off}\ntraining: {xla: on}\n")
    config = load_config(path)
    assert config.training.xla is True
    assert config.data.horizontal_flip is False


def test_optional_text_may_be_null(file):
    assert load_config(file(), ["damsm.directory=null"]).damsm.directory is None


@pytest.mark.parametrize("section", ["7", "[1, 2]", "text", ""])
def test_section_that_holds_no_keys_is_refused(file, section):
    path = file(f"data: {{source: toy_birds}}\ngenerator: {section}\n")
    assert refused(path).startswith(f"{path}: generator: must hold `key: value` lines.")


# --- ranges -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("data.images_per_class=0", "`images_per_class` must be greater than 0"),
        ("data.seed=-1", "`seed` must lie in [0, 2³²). Received: seed=-1"),
        ("training.seed=4294967296", "`seed` must lie in [0, 2³²)"),
        ("data.load_side_ratio=0.9", "`load_side_ratio` must be at least 1"),
        ("data.source=web", "`source` must be one of ['toy_birds', 'prepared']. Received: 'web'"),
        ("text_encoder.vocabulary_size=1", "`vocabulary_size` must be 2 or more"),
        ("text_encoder.feature_size=7", "`feature_size` must be even. Received: feature_size=7"),
        ("text_encoder.dropout=1", "`dropout` must lie in [0, 1)"),
        ("image_encoder.kind=vgg", "`kind` must be one of"),
        ("image_encoder.widths=[1, 2, 3]", "`widths` must be five numbers above 0"),
        ("image_encoder.widths=[]", "`widths` must be five numbers above 0"),
        ("image_encoder.input_side=24", "`input_side` must be a multiple of 16"),
        ("generator.first_side=12", "`first_side` must be a power of two"),
        ("generator.first_side=4", "`first_side` must be a power of two from 8 on"),
        ("generator.stages=0", "`stages` must be greater than 0. Received: stages=0"),
        ("generator.residual_blocks=-1", "`residual_blocks` must not be negative. Received: resid"),
        ("discriminator.base_width=0", "`base_width` must be greater than 0"),
        ("discriminator.feature_maps=[0]", "`feature_maps` must be different numbers from 1 to 5"),
        ("discriminator.feature_maps=[2, 2]", "`feature_maps` must be different numbers"),
        ("augmentation.translation=0.5", "`translation` must lie in [0, 0.5)"),
        ("augmentation.damsm_translation=-1", "`damsm_translation` must lie in [0, 0.5)"),
        ("augmentation.cutout=1", "`cutout` must lie in [0, 1)"),
        ("generator.memory_gain=0", "`memory_gain` must be greater than 0"),
        ("generator.condition_gain=0", "`condition_gain` must be greater than 0"),
        ("training.picture_weight=-1", "`picture_weight` must not be negative"),
        ("damsm.batch_size=1", "`batch_size` must be 2 or more"),
        ("generator.prior_size=-1", "`prior_size` must lie in [0, `noise_size`)"),
        ("generator.prior_size=100", "`prior_size` must lie in [0, `noise_size`)"),
        ("damsm.pictures_per_class=0", "`pictures_per_class` must be greater than 0"),
        ("damsm.pictures_per_class=5", "`batch_size` must be divisible by `pictures_per_class`"),
        ("damsm.gammas=[4, 5]", "`gammas` must be three numbers above 0"),
        ("damsm.gammas=[4, 0, 5]", "`gammas` must be three numbers above 0"),
        ("training.batch_size=1", "`batch_size` must be 2 or more"),
        ("training.generator_learning_rate=-1e-3", "`generator_learning_rate` must be greater"),
        ("damsm.epoch_decay=1.1", "`epoch_decay` must lie in (0, 1]"),
        ("damsm.epoch_decay=0", "`epoch_decay` must lie in (0, 1]"),
        ("training.ema_decay=1.0", "`ema_decay` must lie in [0, 1)"),
        ("training.beta_1=-0.1", "`beta_1` must lie in [0, 1)"),
        (
            "training.kl_weight=-1",
            "`kl_weight` must not be negative. Received: kl_weight=-1.0.",
        ),
        ("training.mixed_precision=half", "`mixed_precision` must be one of"),
    ],
)
def test_value_out_of_its_range_is_refused_with_file_and_section(file, override, complaint):
    path = file()
    message = refused(path, [override])
    section = override.partition(".")[0]
    assert message.startswith(f"{path}: {section}: ")
    assert complaint in message


def test_folder_as_source_needs_a_directory(file):
    assert "`directory` must name the data's folder" in refused(file("data: {source: prepared}\n"))


def test_writing_gate_needs_the_memory(file):
    assert "needs `memory: true`" in refused(file(), ["generator.memory=false"])
    load_config(file(), ["generator.memory=false", "generator.writing_gate=false"])


@pytest.mark.parametrize("stages", [1, 5])
def test_toy_birds_are_drawn_at_16_to_256_pixels_only(file, stages):
    overrides = ["generator.first_side=8", f"generator.stages={stages}"]
    load_config(file(), [overrides[0], "generator.stages=2"])
    load_config(file("data: {source: prepared, directory: there}\n"), overrides)
    if stages == 5:
        overrides[0] = "generator.first_side=32"
    side = 8 if stages == 1 else 512
    assert f"Received: a last side of {side}." in refused(file(), overrides)


def test_sides_double_from_stage_to_stage(file):
    config = load_config(file(), ["generator.first_side=16", "generator.stages=4"])
    assert config.generator.sides == (16, 32, 64, 128)
