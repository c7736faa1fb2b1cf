"""`python -m dmgan_tf.figures`: the paper's Figures 3 to 6."""

import shutil

import numpy as np
import pytest
from command_lines import fail, run, succeed
from PIL import Image

NAMES = ("comparison", "stages", "noises", "words")
CAPTIONS = "--caption", "a small red bird with black wings", "a blue bird"


def draw(model, out, *arguments):
    succeed("figures", "--model", model, "--out", out, *arguments)
    return {path.stem: path.read_bytes() for path in sorted(out.iterdir())}


def picture(folder, name):
    return np.asarray(Image.open(folder / f"{name}.png"))


@pytest.fixture(scope="module")
def drawn(tiny_run, tmp_path_factory):
    """(folder, bytes by name) of all figures, the model compared with a copy of itself."""
    folder = tmp_path_factory.mktemp("figures")
    shutil.copytree(tiny_run / "model", folder / "copy")
    options = *CAPTIONS, "--compare", folder / "copy", "--noises", 8
    return folder / "out", draw(tiny_run, folder / "out", *options)


def test_all_figures_are_drawn(drawn):
    folder, content = drawn
    assert set(content) == set(NAMES)
    for name in NAMES:
        assert min(picture(folder, name).shape[:2]) > 192, name


def test_models_of_one_kind_draw_the_same_row(drawn):
    page = picture(drawn[0], "comparison").astype(int)
    side, gap, margin = 192, 6, 12
    # Rows stand at the bottom: of the second row to the lower margin.
    lower = page[-margin - side : -margin, -margin - side : -margin]
    upper = page[-margin - 2 * side - gap : -margin - side - gap, -margin - side : -margin]
    np.testing.assert_array_equal(lower, upper)
    assert lower.std() > 0


def test_seed_and_nothing_else_decides(drawn, tiny_run, tmp_path):
    options = *CAPTIONS, "--only", "stages,noises", "--noises", 8
    again = draw(tiny_run, tmp_path / "again", *options)
    assert set(again) == {"stages", "noises"}
    assert all(again[name] == drawn[1][name] for name in again)
    other = draw(tiny_run, tmp_path / "other", *options, "--seed", 5)
    assert all(other[name] != drawn[1][name] for name in other)


def test_mistakes_are_one_line(tiny_run, tmp_path):
    (tmp_path / "empty.txt").write_text("\n")
    for arguments, told in (
        (("--captions-file", tmp_path / "empty.txt"), "empty.txt: holds no caption"),
        ((*CAPTIONS, "--compare", tmp_path / "none"), "none: there is no such folder"),
        (("--caption", *["a bird"] * 13), "12 captions fit side by side. Received: 13"),
        (("--caption", "xyzzy"), "none of ['xyzzy'] is known to this model"),
    ):
        line = fail("figures", "--model", tiny_run, "--out", tmp_path / "out", *arguments)
        assert told in line
    process = run("figures", "--model", tiny_run, "--out", tmp_path, "--only", "stages,gates")
    assert process.returncode == 2 and "Received: 'gates'" in process.stderr
    assert not (tmp_path / "out").exists()
