"""`python -m dmgan_tf.convert` as a user meets it."""

import json
from pathlib import Path

import pytest
from authors_files import write, write_captions
from command_lines import TINY, call, fail, refuse, run, succeed
from parity.weights import state_dict
from PIL import Image

from dmgan_tf import build
from dmgan_tf.config_file import load_config
from dmgan_tf.interop.torch_file import write_state_dict

REFERENCE = Path(__file__).parent / "parity" / "data" / "small.json"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The authors' files of a small model."""
    made = tmp_path_factory.mktemp("authors")
    write(made)
    return made


def parts(folder):
    """The arguments that name them."""
    return (
        *("--generator", folder / "netG.pth", "--text-encoder", folder / "text_encoder.pth"),
        *("--captions", folder / "captions.pickle", "--discriminators", folder),
    )


@pytest.mark.slow
def test_authors_files_become_a_model_that_draws_and_files_again(folder, tmp_path):
    model, picture = tmp_path / "models" / "cub", tmp_path / "a.png"
    printed = succeed("convert", *parts(folder), "--out", model)
    assert printed == f"Model: {model}; 25 words of a caption count.\n"
    succeed("generate", "--model", model, "--caption", "a red bird", "--out", picture)
    with Image.open(picture) as image:
        assert image.size == (128, 128)
    printed = succeed("convert", "--model", model, "--export-torch", tmp_path / "back")
    written = [Path(line.removeprefix("Written: ")) for line in printed.splitlines()]
    assert {path.name for path in written} == {path.name for path in folder.glob("*.pth")}
    for path in written:
        assert path.read_bytes() == (folder / path.name).read_bytes()


def test_config_can_be_named(folder, tmp_path):
    printed = call("convert", *parts(folder), "--out", tmp_path / "m", "--config", "coco.yaml")
    assert "20 words" in printed


def test_wrong_file_is_told_in_one_line(folder, tmp_path):
    wrong = folder / "netD1.pth"
    line = fail("convert", "--generator", wrong, "--out", tmp_path / "model")
    assert line.startswith(f"error: {wrong}: holds a discriminator, not a generator")
    assert not list(tmp_path.iterdir())


def test_missing_model_is_told_in_one_line(tmp_path):
    line = refuse("convert", "--model", tmp_path, "--export-torch", tmp_path / "back")
    assert "holds no model" in line


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "Give at least one network and --out"),
        (("--out", "m"), "Give at least one network and --out"),
        (("--generator", "g.pth"), "Give at least one network and --out"),
        (("--captions", "c", "--out", "m"), "Give at least one network and --out"),
        (("--model", "."), "--model and --export-torch go together"),
        (("--export-torch", "d", "--generator", "g.pth"), "--model and --export-torch go together"),
        (("--model", ".", "--export-torch", "d", "--out", "o"), "goes with --model alone"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_at_once(arguments, told):
    process = run("convert", *arguments)
    assert process.returncode == 2
    assert told in process.stderr.splitlines()[-1]


@pytest.mark.slow
def test_full_size_encoders_are_evaluated_and_trained_with(tmp_path):
    reference = json.loads(REFERENCE.read_text())
    names = {"generator": "netG", "text_encoder": "text", "image_encoder": "image"}
    for network, stem in names.items():
        state = state_dict(reference["manifest"][network], reference["seed"])
        write_state_dict(tmp_path / f"{stem}.pth", state)
    authors = ["generator.prior_size=0", "generator.padding=zeros"]
    config = load_config(TINY[1], [TINY[3], *authors])
    words = build.vocabulary(config, build.pictures(config, "train")).words
    words = (*words, *(f"unused{i}" for i in range(60)))[: reference["dims"]["vocab"]]
    write_captions(tmp_path / "captions.pickle", words)
    (tmp_path / "mine.yaml").write_text(config.to_yaml())
    model = tmp_path / "model"
    succeed(
        "convert",
        *("--generator", tmp_path / "netG.pth", "--text-encoder", tmp_path / "text.pth"),
        *("--image-encoder", tmp_path / "image.pth", "--captions", tmp_path / "captions.pickle"),
        *("--config", tmp_path / "mine.yaml", "--out", model),
    )
    succeed("evaluate", "--model", model, "--judge", model, "--images", 100)
    assert json.loads((model / "evaluation.json").read_text())["judge_is_own"]
    sets = [f"damsm.directory={model}", "training.steps=2", "discriminator.feature_maps=[]"]
    sets += ["training.perceptual_weight=0", "image_encoder.kind=inception_v3"]
    sets += [f"text_encoder.feature_size={reference['dims']['e']}", *authors]
    options = [part for value in sets for part in ("--set", value)]
    succeed("train", *TINY, *options, "--run-dir", tmp_path / "run")
    assert (tmp_path / "run" / "model" / "metadata.json").is_file()
    succeed("convert", "--model", tmp_path / "run", "--export-torch", tmp_path / "back")
    assert (tmp_path / "back" / "image_encoder.pth").is_file()
