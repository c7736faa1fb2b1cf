"""Grids of pictures: each in its place, white between them, and whole files only."""

import numpy as np
import pytest
from PIL import Image

from dmgan_tf.errors import UserError
from dmgan_tf.inference.image_grid import enlarge, image_grid, save_picture


def colours(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (*shape, 3)).astype(np.uint8)


@pytest.mark.parametrize("gap", [0, 2, 5])
def test_pictures_stand_in_rows_with_white_between_them(gap):
    rows = [colours(3, 4, 6), colours(3, 4, 6, seed=1)]
    grid = image_grid(rows, gap)
    assert grid.shape == (2 * 4 + gap, 3 * 6 + 2 * gap, 3)
    unseen = np.ones(grid.shape[:2], bool)
    for y in range(2):
        for x in range(3):
            place = slice(y * (4 + gap), y * (4 + gap) + 4), slice(x * (6 + gap), x * (6 + gap) + 6)
            np.testing.assert_array_equal(grid[place], rows[y][x])
            unseen[place] = False
    assert (grid[unseen] == 255).all()
    assert grid.dtype == np.uint8


def test_shorter_rows_end_in_white():
    rows = [colours(1, 4, 4), colours(3, 4, 4)]
    grid = image_grid(rows, gap=1)
    assert grid.shape == (9, 14, 3)
    assert (grid[:4, 4:] == 255).all()
    np.testing.assert_array_equal(grid[5:, 10:], rows[1][2])


def test_a_single_picture_has_no_frame():
    picture = colours(1, 5, 5)
    np.testing.assert_array_equal(image_grid([picture]), picture[0])


def test_enlarging_repeats_every_pixel():
    images = colours(2, 3, 3)
    large = enlarge(images, 12)
    assert large.shape == (2, 12, 12, 3)
    for y in range(12):
        for x in range(12):
            np.testing.assert_array_equal(large[:, y, x], images[:, y // 4, x // 4])


def test_enlarging_to_the_same_side_changes_nothing():
    images = colours(2, 3, 3)
    np.testing.assert_array_equal(enlarge(images, 3), images)


def test_saved_picture_is_read_back_and_its_folder_made(tmp_path):
    path = tmp_path / "new" / "deep" / "a.picture.png"
    picture = colours(7, 5)
    save_picture(path, picture)
    with Image.open(path) as image:
        assert image.format == "PNG"
        np.testing.assert_array_equal(np.asarray(image), picture)
    assert list(path.parent.iterdir()) == [path]


def test_picture_that_can_not_be_saved_leaves_the_old_one_whole(tmp_path):
    path = tmp_path / "a.png"
    old = colours(4, 4)
    save_picture(path, old)
    with pytest.raises(TypeError):
        save_picture(path, np.zeros((4, 4, 7)))
    with Image.open(path) as image:
        np.testing.assert_array_equal(np.asarray(image), old)


@pytest.mark.parametrize(
    ("name", "kind", "most"),
    [("a.png", "PNG", 0), ("a.webp", "WEBP", 0), ("a.JPG", "JPEG", 12), ("a.jpeg", "JPEG", 12)],
)
def test_the_ending_says_the_format(tmp_path, name, kind, most):
    picture = np.full((16, 16, 3), (200, 30, 90), np.uint8)
    save_picture(tmp_path / name, picture)
    with Image.open(tmp_path / name) as image:
        assert image.format == kind
        assert np.abs(np.asarray(image, int) - picture).max() <= most


@pytest.mark.parametrize("name", ["picture", "picture.tiff"])
def test_other_endings_are_refused(tmp_path, name):
    with pytest.raises(UserError, match=r"a picture's name ends in \.png, \.jpg, "):
        save_picture(tmp_path / name, colours(4, 4))
    assert not list(tmp_path.iterdir())
