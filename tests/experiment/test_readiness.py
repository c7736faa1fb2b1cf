"""What `--dry-run` finds lacking, and that it leaves everything as it was."""

import json
import shutil

import pytest
from command_lines import TINY, call, refuse, succeed
from PIL import Image

from dmgan_tf import build, experiment
from dmgan_tf.config_file import load_config
from dmgan_tf.data.vocabulary import Vocabulary
from dmgan_tf.errors import UserError
from dmgan_tf.experiment.encoders import ready_encoders
from dmgan_tf.inference.model_directory import save_model
from dmgan_tf.models import EfficientNetLite2Encoder
from dmgan_tf.training.run_folder import RunFolder


def config(*settings):
    return load_config(TINY[1], [TINY[3], *settings])


def lacking(run_dir, *settings, resume=False):
    return experiment.lacking_for_training(config(*settings), run_dir, resume)


def test_a_run_that_draws_its_own_data_lacks_nothing(tmp_path):
    printed = call("train", *TINY, "--dry-run", "--run-dir", tmp_path / "run")
    assert "\ngenerator " in printed
    assert printed.endswith("All that this run needs is there.\n")
    assert not list(tmp_path.iterdir())


WITHOUT_MAPS = "discriminator.feature_maps=[]", "training.perceptual_weight=0"
EFFICIENTNET = "image_encoder.kind=efficientnet_lite2", *WITHOUT_MAPS
PREPARED = "data.source=prepared", "data.directory=nowhere"
GROUPS = ("damsm.pictures_per_class=4",)  # of classes that have two pictures


LIKE_TOY_BIRDS = (
    "text_encoder.feature_size=128",
    "image_encoder.widths=[24,32,48,64,96]",
    "image_encoder.input_side=64",
)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (PREPARED, "nowhere: is no prepared folder: it has no metadata.json."),
        ((*PREPARED, *GROUPS), "nowhere: is no prepared folder: it has no metadata.json."),
        (GROUPS, "`damsm.pictures_per_class` is 4, but the smallest class of the data has only 2."),
        (EFFICIENTNET, "`image_encoder.weights` must name the ImageNet weights"),
        (("damsm.directory=nowhere",), "nowhere: there is no such folder and no preset of that"),
        (("damsm.directory=runs/nowhere",), "runs/nowhere: holds no model"),
        (("damsm.directory=toy_birds",), "`text_encoder.feature_size` must be that of the encode"),
        (
            ("damsm.directory=toy_birds_judge", "text_encoder.feature_size=128"),
            "`image_encoder.widths` is (4, 4, 4, 4, 4), but the encoders of ",
        ),
        (
            (
                *("damsm.directory=toy_birds_judge", "text_encoder.feature_size=128"),
                "image_encoder.kind=efficientnet_lite0",
            ),
            "`image_encoder.kind` is efficientnet_lite0, but the encoders of ",
        ),
        (
            ("training.initial_model=toy_birds", *LIKE_TOY_BIRDS),
            "`training.initial_model`: the generator of ",
        ),
    ],
    ids=[
        "data",
        "data of groups",
        "groups",
        "ImageNet weights",
        "preset",
        "encoders",
        "size of the encoders",
        "widths of the encoders",
        "kind of the encoders",
        "generator",
    ],
)
def test_what_is_not_there_is_named(settings, told, tmp_path):
    (found,) = lacking(tmp_path / "run", *settings)
    assert found.startswith(told)


def test_ready_encoders_need_no_groups(tiny_judge, tmp_path):
    assert not lacking(tmp_path / "run", *GROUPS, f"damsm.directory={tiny_judge}")


def test_run_that_goes_on_keeps_an_image_encoder_unlike_its_config(tiny_judge, tmp_path):
    shutil.copytree(tiny_judge / "model", tmp_path / "run" / "model")
    assert not lacking(tmp_path / "run", "image_encoder.widths=[8,8,8,8,8]", resume=True)


def test_pretraining_lacks_pictures_for_groups_as_well(tmp_path):
    (found,) = experiment.lacking_for_pretraining(config(*GROUPS), tmp_path / "run", False)
    assert found.startswith("`damsm.pictures_per_class` is 4")


def test_all_that_lacks_is_told_in_one_line(tmp_path):
    settings = *PREPARED, "training.initial_model=runs/nowhere"
    (tmp_path / "file").touch()
    options = [option for setting in settings for option in ("--set", setting)]
    command = *TINY, *options, "--dry-run", "--run-dir", tmp_path / "file" / "run"
    line = refuse("train", *command)
    for told in (
        "file is no folder that can be written to.",
        "nowhere: is no prepared",
        "no model",
    ):
        assert told in line
    assert "no folder that can be written to. nowhere: is no" in refuse("pretrain_damsm", *command)


def test_wrong_encoders_are_told_where_the_data_are_missing_too(tmp_path):
    found = lacking(tmp_path / "run", *PREPARED, "damsm.directory=toy_birds")
    assert any("is no prepared folder" in told for told in found)
    assert any(told.startswith("`text_encoder.feature_size` must be") for told in found)


def test_weights_that_cannot_be_read_are_named(tmp_path):
    from dmgan_tf.inference import presets

    copy = shutil.copytree(presets.ROOT / "toy_birds_judge", tmp_path / "judge")
    (copy / "card.yaml").unlink()
    weights = copy / "image_encoder.weights.h5"
    weights.write_bytes(weights.read_bytes()[:1000])
    (found,) = lacking(tmp_path / "run", f"damsm.directory={copy}", "text_encoder.feature_size=128")
    assert found.startswith(f"{weights}: cannot be loaded as image_encoder")


@pytest.fixture(scope="module")
def without_maps(tmp_path_factory):
    """A model whose image encoder has no maps of features for discriminators."""
    vocabulary = build.vocabulary(config(), build.pictures(config(), "train"))
    image = EfficientNetLite2Encoder(8, name="image_encoder")
    image.build()
    networks = {
        "generator": build.generator(config()),
        "text_encoder": build.text_encoder(config(), len(vocabulary)),
        "image_encoder": image,
    }
    folder = tmp_path_factory.mktemp("without") / "model"
    save_model(folder, networks, vocabulary, config().to_yaml(), step=config().damsm.steps)
    return folder


@pytest.mark.parametrize("key", ["damsm.directory", "training.initial_model", "--run-dir"])
def test_encoders_without_maps_are_told_with_what_names_them(key, without_maps, tmp_path):
    named = [f"{key}={without_maps}"]
    if key == "--run-dir":
        named, without_maps = [], shutil.copytree(without_maps, tmp_path / "damsm" / "model")
    (found,) = lacking(tmp_path, *named)
    assert found == (
        f"`{key}`, {without_maps}: `discriminator.feature_maps` needs a CompactEncoder or "
        "EfficientNetLite0Encoder. Received: EfficientNetLite2Encoder. Name a model with such an "
        "encoder, or set discriminator.feature_maps=[] and training.perceptual_weight=0."
    )


def test_training_refuses_what_the_dry_run_refuses(without_maps, tmp_path, strategy):
    wanted = config(f"damsm.directory={without_maps}")
    (found,) = experiment.lacking_for_training(wanted, tmp_path / "run", False)
    with pytest.raises(UserError) as caught:
        experiment.train(wanted, tmp_path / "run", strategy)
    assert str(caught.value) == found
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("folder", ["", "damsm"], ids=["the GAN", "the encoders"])
def test_a_folder_that_holds_a_run_is_named_unless_it_goes_on(folder, tmp_path):
    with RunFolder(config(), tmp_path / folder, resume=False):
        pass
    (found,) = lacking(tmp_path)
    assert found.startswith(f"{tmp_path / folder} holds a run already. Use --resume")
    assert not lacking(tmp_path, resume=True)


def test_encoders_that_were_trained_apart_are_taken(tiny_judge, tmp_path):
    shutil.copytree(tiny_judge, tmp_path / "damsm")
    assert ready_encoders(config(), tmp_path, False) == tmp_path / "damsm" / "model"
    assert not lacking(tmp_path)
    assert ready_encoders(config("damsm.steps=9"), tmp_path, False) is None


CROPS = "data.load_side_ratio=1.2"
NO_TARGETS = "training.picture_weight=0", "training.perceptual_weight=0"


@pytest.mark.parametrize(
    ("settings", "warned"),
    [
        (("training.picture_weight=1", "data.horizontal_flip=true"), True),
        (("training.picture_weight=0", "training.perceptual_weight=1", CROPS), True),
        (("training.picture_weight=1",), False),
        ((*NO_TARGETS, "data.horizontal_flip=true"), False),
    ],
)
def test_flips_and_crops_are_warned_of_with_losses_against_real_pictures(
    settings, warned, tmp_path, strategy, caplog
):
    missing = f"training.initial_model={tmp_path}"  # ends the run before it begins
    with pytest.raises(UserError, match="holds no model"):
        experiment.train(config(*settings, missing), tmp_path / "run", strategy)
    assert ("Set data.horizontal_flip=false and data.load_side_ratio=1." in caplog.text) == warned


def prepare(folder, count=20, color=0, caption="a shade of grey"):
    """A prepared folder of so many pictures, and the settings that name it."""
    pictures, data = folder / "pictures", folder / "data"
    pictures.mkdir()
    for i in range(count):
        shade = 12 * i
        Image.new("RGB", (64, 64), (shade, shade, shade + color)).save(pictures / f"{i}.png")
        (pictures / f"{i}.txt").write_text(caption)
    succeed("prepare_data", "folder", pictures, "--out", data)
    return data, ("data.source=prepared", f"data.directory={data}")


def test_captions_that_the_encoders_cannot_read_are_told_and_leave_no_folder(
    tiny_judge, tmp_path, strategy
):
    _, settings = prepare(tmp_path, color=1, caption="zebra")
    run, settings = tmp_path / "run", (*settings, f"damsm.directory={tiny_judge}")
    (found,) = lacking(run, *settings)
    assert found.endswith("the caption 'zebra' has no known word.")
    with pytest.raises(UserError, match="'zebra' has no known word"):
        experiment.train(config(*settings), run, strategy)
    assert not run.exists()


def test_captions_that_the_datas_own_words_cannot_read_are_told_before_pretraining(
    tmp_path, strategy
):
    data, settings = prepare(tmp_path, color=1)
    words = Vocabulary.from_captions(["zebra"])
    words.save(data / "vocabulary.json")
    metadata = json.loads((data / "metadata.json").read_text())
    (data / "metadata.json").write_text(
        json.dumps(metadata | {"vocabulary_fingerprint": words.fingerprint})
    )
    run, wanted = tmp_path / "run", config(*settings)
    for found in (
        lacking(run, *settings),
        experiment.lacking_for_pretraining(wanted, run, False),
    ):
        assert found[0].endswith("has no known word.")
    with pytest.raises(UserError, match="has no known word"):
        experiment.pretrain(wanted, run, strategy)
    assert not run.exists()


def test_a_single_picture_is_too_few_to_train_on(tmp_path, strategy):
    data, settings = prepare(tmp_path, count=2)  # one of them for tests
    (found,) = lacking(tmp_path / "run", *settings)
    assert found == f"{data}: training needs 2 pictures or more of the train split. Received: 1."
    with pytest.raises(UserError, match="Received: 1"):
        experiment.train(config(*settings), tmp_path / "run", strategy)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("color", [0, 1])
def test_augmentation_of_colors_needs_pictures_that_have_some(color, tmp_path):
    data, settings = prepare(tmp_path, color=color)
    settings = *settings, "augmentation.color=true"
    found = lacking(tmp_path / "run", *settings)
    if color:
        assert not found
    else:
        assert found[0].startswith("`augmentation.color` is for pictures with colours, but the 1")
        assert found[0].endswith(
            f"of {data} that were looked at are grey. Set augmentation.color=false."
        )
        assert not lacking(tmp_path / "run", *settings, resume=True)
