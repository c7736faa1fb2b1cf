"""The paper's figures as a user draws them: files, sizes, seeds and mistakes."""

import logging
import shutil

import numpy as np
import pytest
from command_lines import call, fail, refuse, succeed
from PIL import Image

NAMES = ("comparison", "stages", "noises", "words")
CAPTIONS = ("a red bird with a blue wing", "a blue bird")
# Of the tiny model's pictures as they are shown, of the space between, beside and below them.
SIDE, GAP, LEFT, MARGIN = 192, 8, 39, 12


def pictures(folder):
    """The figures of a folder, by name."""
    found = {}
    for path in folder.iterdir():
        with Image.open(path) as image:
            found[path.stem] = np.asarray(image)
    return found


def width(columns):
    return LEFT + columns * SIDE + (columns - 1) * GAP + MARGIN


def tile(figure, x, y):
    """The picture in column x of row y, counted from below."""
    bottom = len(figure) - MARGIN - y * (SIDE + GAP)
    left = LEFT + x * (SIDE + GAP)
    return figure[bottom - SIDE : bottom, left : left + SIDE]


def rows(figure):
    """How many rows of pictures fit in; what is left is heading."""
    return (len(figure) - MARGIN) // (SIDE + GAP)


@pytest.fixture(scope="module")
def drawn(tiny_run, tmp_path_factory):
    """Folder of the figures of two captions, and the arguments that drew them."""
    out = tmp_path_factory.mktemp("figures") / "new" / "pages"
    arguments = ("--model", tiny_run, "--compare", tiny_run / "best", "--caption", *CAPTIONS)
    arguments += ("--noises", 8, "--seed", 3)
    printed = succeed("figures", *arguments, "--out", out).splitlines()
    assert printed == [f"{name.capitalize()}: {out / name}.png" for name in NAMES]
    return out, arguments


def test_every_figure_has_its_rows_and_columns(drawn):
    figures = pictures(drawn[0])
    assert set(figures) == set(NAMES)
    sizes = {name: (rows(figure), figure.shape[1]) for name, figure in figures.items()}
    assert sizes == {
        "comparison": (2, width(2)),  # models, captions
        "stages": (2, width(2)),  # stages, captions
        "noises": (2, width(6)),  # eight noises, six a row
        "words": (2, width(6)),  # two rankings of one refinement, its picture and five words
    }
    for figure in figures.values():
        assert tile(figure, 0, 0).std() > 0
        assert (figure[:MARGIN] == 255).all()
        assert (figure[-MARGIN:] == 255).all()
        assert (figure[:, -MARGIN:] == 255).all()


def test_figures_show_what_generate_draws(drawn, tiny_run, tmp_path):
    path = tmp_path / "a.png"
    options = ("--caption", CAPTIONS[0], "--seed", 3, "--stages", "--count", 2, "--out", path)
    call("generate", "--model", tiny_run, *options)
    grid = np.asarray(Image.open(path)).astype(int)
    first, last, following = (tile(grid, *place) for place in ((0, 1), (0, 0), (1, 0)))
    figures = {name: figure.astype(int) for name, figure in pictures(drawn[0]).items()}
    # Rounding may move a pixel by a grey level in another batch.
    for shown, expected in (
        (tile(figures["comparison"], 0, 1), last),
        (tile(figures["stages"], 0, 1), first),
        (tile(figures["stages"], 0, 0), last),
        (tile(figures["noises"], 0, 1), last),
        (tile(figures["noises"], 1, 1), following),
        (tile(figures["words"], 0, 0), first),
    ):
        np.testing.assert_allclose(shown, expected, atol=1)


def test_same_seed_gives_the_same_bytes_and_another_seed_others(drawn, tmp_path):
    out, arguments = drawn
    again, other = tmp_path / "again", tmp_path / "other"
    call("figures", *arguments, "--out", again)
    call("figures", *arguments, "--out", other, "--seed", 4)
    for name in NAMES:
        content = [(folder / f"{name}.png").read_bytes() for folder in (out, again, other)]
        assert content[0] == content[1] != content[2], name


def test_captions_of_unseen_birds_are_the_default_and_only_what_is_asked_for_is_drawn(
    tiny_run, tmp_path
):
    printed = call("figures", "--model", tiny_run, "--out", tmp_path, "--only", "stages")
    assert printed.splitlines() == [f"Stages: {tmp_path / 'stages.png'}"]
    (figure,) = pictures(tmp_path).values()
    assert figure.shape[1] == width(6)


def test_captions_file_is_read_and_unknown_words_are_warned_of_once(tiny_run, tmp_path, caplog):
    captions = tmp_path / "captions.txt"
    captions.write_text("a red zeppelin bird\n\n a blue bird \n a bird\n", encoding="utf-8")
    options = ("--captions-file", captions, "--only", "stages,noises", "--out", tmp_path / "pages")
    call("figures", "--model", tiny_run, *options)
    ours = [record for record in caplog.records if record.name.startswith("dmgan_tf")]
    (warning,) = [record for record in ours if record.levelno >= logging.WARNING]
    assert warning.getMessage().startswith("Left out of 'a red zeppelin bird'")
    assert pictures(tmp_path / "pages")["stages"].shape[1] == width(3)


# --- mistakes -----------------------------------------------------------------------------------


def test_model_whose_captions_stand_in_files_needs_some(tiny_run, tmp_path):
    copy = shutil.copytree(tiny_run / "model", tmp_path / "model")
    config = copy / "config.yaml"
    text = config.read_text().replace("source: toy_birds", "source: prepared")
    config.write_text(text.replace("directory: null", "directory: nowhere", 1))
    line = refuse("figures", "--model", copy, "--out", tmp_path / "pages")
    assert f"{copy}: its captions stand in files of data; give some with --caption." in line
    assert not (tmp_path / "pages").exists()


def test_folder_without_a_model_caption_without_a_known_word_and_model_given_twice_are_refused(
    tiny_run, tmp_path
):
    out = ("--out", tmp_path / "pages")
    line = fail("figures", "--model", tmp_path, *out, "--caption", "a red bird")
    assert f"{tmp_path}: holds no model" in line
    line = refuse("figures", "--model", tiny_run, *out, "--caption", "zeppelin")
    assert "The caption 'zeppelin' can't be drawn" in line
    twice = ("--model", tiny_run, "--compare", tiny_run, "--caption", "a red bird")
    line = refuse("figures", *twice, *out, "--only", "comparison")
    assert f"{tiny_run}: is given twice" in line
    assert not (tmp_path / "pages").exists()
