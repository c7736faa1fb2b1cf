"""Pages of labelled pictures: whole enlargements, text beside the pictures and never over them."""

import numpy as np
import pytest

from dmgan_tf.inference.labelled_grid import labelled_grid, shown_side

LEFT, GAP, MARGIN = 39, 8, 12


def colours(count, side, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (count, side, side, 3)).astype(np.uint8)


def below(page, rows, columns, side):
    """The page's pictures without its margins and heading."""
    height = rows * side + (rows - 1) * GAP
    width = columns * side + (columns - 1) * GAP
    assert page.shape[1] == LEFT + width + MARGIN
    return page[-MARGIN - height : -MARGIN, LEFT:-MARGIN]


@pytest.mark.parametrize(
    ("sides", "shown"),
    [([16], 192), ([64], 192), ([128], 256), ([256], 256), ([64, 128], 256), ([64, 96], 192)],
)
def test_all_pictures_are_enlarged_by_whole_numbers_to_one_side(sides, shown):
    assert shown_side(sides) == shown
    assert all(shown % side == 0 for side in sides)


def test_pictures_of_every_row_are_enlarged_to_the_same_side():
    rows = [colours(2, 16), colours(2, 32, seed=1)]
    pictures = below(labelled_grid(rows, ["a", "b"]), 2, 2, 192)
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            times = 192 // len(image)
            place = (slice(y * 200, y * 200 + 192), slice(x * 200, x * 200 + 192))
            expected = image.repeat(times, axis=0).repeat(times, axis=1)
            np.testing.assert_array_equal(pictures[place], expected)


def test_text_stands_in_the_margins_alone():
    page = labelled_grid(
        [np.zeros((2, 64, 64, 3), np.uint8)] * 2, ["one", "two"], ["a", "b c"], "d"
    )
    assert (below(page, 2, 2, 192)[192:200] == 255).all()
    heading = page[: -MARGIN - 392]
    assert (heading[:, LEFT:] < 128).any()
    assert (heading[:, :LEFT] == 255).all()
    labels = page[-MARGIN - 392 : -MARGIN, :LEFT]
    assert (labels[:192] < 128).any()
    assert (labels[200:] < 128).any()


def test_long_captions_are_wrapped_within_their_column():
    row = [np.full((2, 64, 64, 3), 9, np.uint8)]
    caption = "a bird of which there is more to be told than fits into one line of a column"
    page = labelled_grid(row, ["model"], [caption, ""])
    heading = page[: -MARGIN - 192]
    assert len(heading) == 12 + 3 * 19 + 8  # three lines
    assert (heading[:, LEFT + 192 :] == 255).all()
    endless = labelled_grid(row, ["model"], [" ".join(["bird"] * 5000), "b" * 5000])
    assert len(endless) < 500


def test_label_that_is_too_long_shows_its_end():
    row = [np.full((1, 64, 64, 3), 9, np.uint8)]
    first, second, other = (
        labelled_grid(row, [label])
        for label in ("x" * 99 + "end", "y" + "x" * 98 + "end", "x" * 99)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


def test_characters_beyond_ascii_are_drawn_each_as_its_own():
    row = [np.full((1, 64, 64, 3), 9, np.uint8)]
    pages = [labelled_grid(row, [label]) for label in ("×", "…", "é", "ü")]
    assert len({page.tobytes() for page in pages}) == 4
