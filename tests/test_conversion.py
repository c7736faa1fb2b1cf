"""The authors' files to a model directory and back, bit for bit; what doesn't fit is told."""

import json
from dataclasses import replace

import numpy as np
import pytest
from authors_files import CONFIG, WORDS, with_generator, write, write_captions

from dmgan_tf import build
from dmgan_tf.config_file import load_config
from dmgan_tf.conversion import AuthorsFiles, convert, export
from dmgan_tf.errors import UserError
from dmgan_tf.inference.model_directory import (
    load_metadata,
    load_network,
    load_vocabulary,
)
from dmgan_tf.inference.text_to_image import TextToImage
from dmgan_tf.interop.authors_layout import to_authors
from dmgan_tf.interop.torch_file import read_state_dict, write_state_dict

NAMES = ("generator", "text_encoder", "discriminator_64", "discriminator_128")
FILES = ("netG.pth", "text_encoder.pth", "netD0.pth", "netD1.pth")


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """(folder of the authors' files, networks that they hold)."""
    folder = tmp_path_factory.mktemp("authors")
    return folder, write(folder)


@pytest.fixture
def folder(originals, tmp_path):
    """A folder of the authors' files to spoil."""
    copy = tmp_path / "authors"
    copy.mkdir()
    for path in originals[0].iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    return copy


def files(folder, **changes):
    whole = {
        "generator": folder / "netG.pth",
        "text_encoder": folder / "text_encoder.pth",
        "captions": folder / "captions.pickle",
        "discriminators": folder,
    }
    return AuthorsFiles(**whole | changes)


def without_discriminators(folder):
    return files(folder, discriminators=None)


def refused(files_, directory, *arguments):
    """The message that a conversion ends with; nothing is written."""
    with pytest.raises(UserError) as caught:
        convert(files_, directory, *arguments)
    assert not (directory / "metadata.json").exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def change(path, **changes):
    """Writes a state dict anew, arrays replaced or, by None, left out."""
    state = read_state_dict(path) | {name.replace("__", "."): v for name, v in changes.items()}
    state = {name: np.array(array) for name, array in state.items() if array is not None}
    write_state_dict(path, state)


# --- there and back -----------------------------------------------------------------------------


def test_converted_networks_have_the_weights_of_the_files(originals, tmp_path):
    folder, made = originals
    convert(files(folder), tmp_path / "model")
    for name, network in zip(NAMES, made, strict=True):
        loaded = load_network(tmp_path / "model", name)
        assert loaded.name == name
        for actual, expected in zip(loaded.get_weights(), network.get_weights(), strict=True):
            np.testing.assert_array_equal(actual, expected)


def test_there_and_back_and_there_is_the_same_bit_for_bit(originals, tmp_path):
    folder, _ = originals
    convert(files(folder), tmp_path / "model")
    written = export(tmp_path / "model", tmp_path / "back")
    assert sorted(path.name for path in written) == sorted(FILES)
    for name in FILES:
        assert (tmp_path / "back" / name).read_bytes() == (folder / name).read_bytes()
    write_captions(tmp_path / "back" / "captions.pickle")
    convert(files(tmp_path / "back"), tmp_path / "again")
    for name in NAMES:
        first, second = (load_network(tmp_path / d, name) for d in ("model", "again"))
        for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)


def test_dimensions_and_words_come_from_the_files(originals, tmp_path):
    folder, _ = originals
    config = convert(files(folder), tmp_path / "model")
    assert config == load_config(tmp_path / "model" / "config.yaml")
    assert config.generator == CONFIG.generator
    assert config.discriminator == CONFIG.discriminator
    assert config.text_encoder == replace(CONFIG.text_encoder, dropout=0.5)
    assert config.image_encoder.kind == "inception_v3"
    assert load_vocabulary(tmp_path / "model").words == WORDS


def test_converted_model_draws(originals, tmp_path):
    folder, _ = originals
    convert(without_discriminators(folder), tmp_path / "model")
    pictures = TextToImage.from_preset(tmp_path / "model").generate("a red bird")
    assert pictures.shape == (1, 128, 128, 3)
    assert pictures.std() > 0


@pytest.mark.parametrize("present", [True, False])
def test_counters_of_batches_may_be_there_or_not(folder, tmp_path, originals, present):
    state = read_state_dict(folder / "netG.pth")
    counters = [name for name in state if name.endswith("num_batches_tracked")]
    assert counters
    value = np.array(12345) if present else None
    change(folder / "netG.pth", **dict.fromkeys(counters, value))
    convert(without_discriminators(folder), tmp_path / "model")
    loaded = load_network(tmp_path / "model", "generator").get_weights()
    for actual, expected in zip(loaded, originals[1][0].get_weights(), strict=True):
        np.testing.assert_array_equal(actual, expected)


# --- subsets, and what they begin with ----------------------------------------------------------


@pytest.mark.parametrize(
    ("blocks", "name", "words", "damsm_weight"),
    [(2, "cub", 25, 5), (3, "coco", 20, 50), (1, "cub", 25, 5)],
)
def test_residual_blocks_tell_birds_from_coco(tmp_path, blocks, name, words, damsm_weight):
    write(tmp_path, with_generator(residual_blocks=blocks))
    config = convert(files(tmp_path), tmp_path / "model")
    assert config.data.directory == f"data/{name}"
    assert config.data.max_words_evaluation == words
    assert config.training.damsm_weight == damsm_weight
    assert load_metadata(tmp_path / "model")["max_words"] == words


@pytest.mark.parametrize(("rows", "name"), [(5450, "cub"), (27297, "coco")])
def test_words_tell_birds_from_coco_where_there_is_no_generator(tmp_path, rows, name):
    text = replace(CONFIG.text_encoder, vocabulary_size=rows)
    write(tmp_path, replace(CONFIG, text_encoder=text))
    only = AuthorsFiles(text_encoder=tmp_path / "text_encoder.pth")
    assert convert(only, tmp_path / "model").data.directory == f"data/{name}"


def test_config_can_be_named(originals, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("data: {directory: flowers, max_words_evaluation: 9}\n")
    config = convert(without_discriminators(originals[0]), tmp_path / "model", str(path))
    assert (config.data.directory, config.data.max_words_evaluation) == ("flowers", 9)
    assert config.generator == CONFIG.generator


def test_discriminators_alone_are_converted_and_written_back(originals, tmp_path):
    folder, _ = originals
    convert(AuthorsFiles(discriminators=folder), tmp_path / "model")
    assert load_config(tmp_path / "model" / "config.yaml").generator.sides == (64, 128)
    export(tmp_path / "model", tmp_path / "back")
    for name in ("netD0.pth", "netD1.pth"):
        assert (tmp_path / "back" / name).read_bytes() == (folder / name).read_bytes()


def test_model_without_its_words_is_kept_and_warned_of(originals, tmp_path, caplog):
    folder, made = originals
    convert(AuthorsFiles(generator=folder / "netG.pth"), tmp_path / "model")
    assert "Without --captions" in caplog.text
    assert not (tmp_path / "model" / "vocabulary.json").exists()
    loaded = load_network(tmp_path / "model", "generator").get_weights()
    for actual, expected in zip(loaded, made[0].get_weights(), strict=True):
        np.testing.assert_array_equal(actual, expected)


# --- what doesn't fit ---------------------------------------------------------------------------


def test_network_given_as_another_is_refused(folder, tmp_path):
    wrong = files(folder, generator=folder / "netD0.pth")
    message = refused(wrong, tmp_path / "model")
    assert message.startswith(f"{folder / 'netD0.pth'}: holds a discriminator, not a generator")
    wrong = AuthorsFiles(image_encoder=folder / "text_encoder.pth")
    assert "holds a text encoder, not an image encoder" in refused(wrong, tmp_path / "model")


def test_other_vocabulary_is_refused_with_both_sizes(folder, tmp_path):
    write_captions(folder / "captions.pickle", (*WORDS, "more"))
    message = refused(without_discriminators(folder), tmp_path / "model")
    assert message.startswith(f"{folder / 'captions.pickle'}: holds 8 words, but ")
    assert f"{folder / 'text_encoder.pth'} has embeddings for 7." in message


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"h_net2__upsample__2__bias": None}, "h_net2.upsample.2.bias [4] is missing"),
        ({"h_net9__bias": np.zeros(4)}, "h_net9.bias [4] is superfluous"),
        ({"h_net2__B__weight": np.zeros((1, 5))}, "h_net2.B.weight [1, 5] is of another shape"),
    ],
)
def test_tensor_that_does_not_fit_is_told_by_name_and_shape(folder, tmp_path, changes, told):
    change(folder / "netG.pth", **changes)
    message = refused(without_discriminators(folder), tmp_path / "model")
    assert message.startswith(f"{folder / 'netG.pth'}: ")
    assert told in message


@pytest.mark.parametrize("name", ["netG.pth", "text_encoder.pth", "netD1.pth", "captions.pickle"])
@pytest.mark.parametrize("share", [0.2, 0.6, 0.999])
def test_truncated_file_is_told(folder, tmp_path, name, share):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(len(content) * share)])
    message = refused(files(folder), tmp_path / "model")
    assert message.startswith(f"{folder / name}: is ")
    assert "cut off" in message or "damaged" in message


def test_networks_of_different_models_are_refused_with_their_sizes(folder, tmp_path):
    text = replace(CONFIG.text_encoder, feature_size=8)
    encoder = build.text_encoder(replace(CONFIG, text_encoder=text), len(WORDS))
    write_state_dict(folder / "text_encoder.pth", to_authors(encoder))
    message = refused(files(folder), tmp_path / "model")
    assert message.startswith("The files don't belong together")
    assert f"{folder / 'netG.pth'} 6, {folder / 'text_encoder.pth'} 8" in message


@pytest.mark.parametrize(("removed", "sides"), [("netD0.pth", "[128]"), ("netD1.pth", "[64]")])
def test_discriminators_of_other_sizes_are_refused(folder, tmp_path, removed, sides):
    (folder / removed).unlink()
    message = refused(files(folder), tmp_path / "model")
    assert message == (
        f"The discriminators judge pictures of {sides} pixels, the generator draws [64, 128]."
    )


def test_folder_without_discriminators_is_refused(folder, tmp_path):
    message = refused(files(folder, discriminators=tmp_path), tmp_path / "model")
    assert message == f"{tmp_path}: holds no netD0.pth, netD1.pth, …"


# --- where it is written ------------------------------------------------------------------------


def test_earlier_conversion_is_replaced(originals, tmp_path):
    convert(without_discriminators(originals[0]), tmp_path / "model")
    convert(files(originals[0]), tmp_path / "model")
    assert set(load_metadata(tmp_path / "model")["networks"]) == set(NAMES)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_empty_folder_is_taken(originals, tmp_path):
    (tmp_path / "model").mkdir()
    convert(without_discriminators(originals[0]), tmp_path / "model")
    assert load_metadata(tmp_path / "model")["converted_from"] == ["netG.pth", "text_encoder.pth"]


@pytest.mark.parametrize("there", ["file", "folder", "trained model"])
def test_anything_else_is_left_alone(originals, tmp_path, there):
    directory = tmp_path / "model"
    if there == "file":
        directory.write_text("mine")
    else:
        directory.mkdir()
        (directory / "mine.txt").write_text("mine")
        if there == "trained model":
            (directory / "metadata.json").write_text(json.dumps({"format": 1, "networks": {}}))
    with pytest.raises(UserError, match="is there, and is no converted model"):
        convert(files(originals[0]), directory)
    kept = directory if there == "file" else directory / "mine.txt"
    assert kept.read_text() == "mine"


def test_place_that_cannot_be_written_is_told(originals, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="model: cannot be written"):
        convert(files(originals[0]), tmp_path / "file" / "model")
