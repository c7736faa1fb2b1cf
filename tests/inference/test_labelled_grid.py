"""Grids with captions above and labels beside them."""

import numpy as np

from dmgan_tf.inference.labelled_grid import labelled_grid, shown_side

RED, BLUE = (255, 0, 0), (0, 0, 255)


def plain(color, side):
    return np.full((1, side, side, 3), color, np.uint8)


def test_sides_are_enlarged_to_a_common_one_by_whole_numbers():
    assert shown_side([64]) == 192
    assert shown_side([64, 128, 256]) == 256
    assert shown_side([16, 48]) == 192


def test_pictures_of_two_sides_stand_below_each_other():
    page = labelled_grid([plain(RED, 8), plain(BLUE, 16)], ["one", "two"], ["a bird"])
    for color in (RED, BLUE):
        assert (page == color).all(axis=-1).sum() == 192 * 192
    rows = [np.flatnonzero((page == color).all(axis=-1).any(axis=1)) for color in (RED, BLUE)]
    assert rows[0][-1] < rows[1][0]


def test_labels_are_written_beside_and_above_and_cover_no_picture():
    bare = labelled_grid([plain(RED, 8)], [""])
    full = labelled_grid([plain(RED, 8)], ["model"], ["a very long caption " * 10], "title")
    assert full.shape[0] > bare.shape[0] and full.shape[1] == bare.shape[1]
    dark = (full.max(axis=-1) < 80).nonzero()
    red = (full == RED).all(axis=-1).nonzero()
    assert len(red[0]) == 192 * 192
    assert dark[0].min() < red[0].min()  # above
    assert dark[1].min() < red[1].min()  # at the side
