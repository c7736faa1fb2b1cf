"""Anybody's pictures in a folder: crops around boxes, and mistakes told with file and line."""

import json

import numpy as np
import pytest
from PIL import Image

from dmgan_tf.data.folder import load_folder
from dmgan_tf.data.pipeline import read_pictures
from dmgan_tf.errors import UserError

COORDINATES = np.stack(np.broadcast_arrays(np.arange(60), np.arange(40)[:, None], 0), -1)


@pytest.fixture
def folder(tmp_path):
    """A function that writes lines (objects or raw text) as the list of the split `train`."""
    (tmp_path / "train" / "deep").mkdir(parents=True)
    # Red tells the column, green the row, so that a crop shows where it was cut.
    Image.fromarray(COORDINATES.astype(np.uint8)).save(tmp_path / "train" / "where.png")
    smooth = np.full((20, 30, 3), (200, 40, 40), np.uint8)
    Image.fromarray(smooth).save(tmp_path / "train" / "deep" / "red.jpg", quality=95)

    def write(*lines, end="\n"):
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        path = tmp_path / "train" / "metadata.jsonl"
        path.write_text(end.join(texts) + end, encoding="utf-8", newline="")
        return str(tmp_path)

    return write


def row(**changes):
    return {"file_name": "where.png", "captions": ["a red bird"]} | changes


def refused(directory):
    """The message that the list is refused with; always one line."""
    with pytest.raises(UserError) as caught:
        load_folder(directory, "train")
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- what is read -------------------------------------------------------------------------------


def test_list_gives_captions_classes_and_whole_pictures(folder):
    directory = folder(
        row(captions=["a red bird", "ein roter Vogel"], class_id=7),
        "",
        row(file_name="deep/red.jpg", class_id=7),
    )
    pictures = load_folder(directory, "train")
    assert len(pictures) == 2
    assert pictures.captions == (("a red bird", "ein roter Vogel"), ("a red bird",))
    assert pictures.class_ids.tolist() == [7, 7]
    small = read_pictures(pictures, np.array([1, 0]), 8)
    assert small.shape == (2, 8, 8, 3)
    np.testing.assert_allclose(small[0], np.broadcast_to([200, 40, 40], (8, 8, 3)), atol=6)
    # The shorter side makes eight parts of 5 pixels, of the longer one the middle eight are kept.
    np.testing.assert_allclose(small[1, 2:6, 2:6, 0], [np.arange(4.5, 8) * 5 - 0.5] * 4, atol=1)
    np.testing.assert_allclose(small[1, 2:6, 3, 1], np.arange(2.5, 6) * 5 - 0.5, atol=1)


def test_pictures_without_a_class_are_all_of_different_classes(folder):
    pictures = load_folder(folder(row(), row(), row()), "train")
    assert len(set(pictures.class_ids.tolist())) == 3


def test_byte_order_mark_windows_line_ends_and_separators_in_captions_are_read(folder):
    lines = [row(captions=["red\u2028bird\x85"]), row(captions=["blue"])]
    texts = [json.dumps(line, ensure_ascii=False) for line in lines]
    pictures = load_folder(folder("\ufeff" + texts[0], texts[1], end="\r\n"), "train")
    assert pictures.captions == (("red\u2028bird\x85",), ("blue",))


def test_grey_picture_is_read_as_three_equal_channels(folder, tmp_path):
    grey = np.full((16, 16), 90, np.uint8)
    Image.fromarray(grey).save(tmp_path / "train" / "grey.png")
    pictures = load_folder(folder(row(file_name="grey.png")), "train")
    assert (read_pictures(pictures, np.array([0]), 16) == 90).all()


@pytest.mark.parametrize(
    ("box", "left", "top", "right", "bottom"),
    [
        # Around (30, 20), half side 0.75 · 16 = 12.
        ([22, 14, 16, 12], 18, 8, 42, 32),
        ([24, 12, 12, 16], 18, 8, 42, 32),
        # Around (5, 20), half side 12, cut at the left edge.
        ([-3, 12, 16, 16], 0, 8, 17, 32),
        # Around (30, 20), half side 45, cut at all edges.
        ([0, 0, 60, 40], 0, 0, 60, 40),
        # Around (55.5, 37.5), half side 3.75: 51.75 … 59.25 and 33.75 … 41.25, cut at the bottom.
        ([53, 35, 5, 5], 51, 33, 59, 40),
    ],
)
def test_box_is_cut_out_as_a_square_with_half_its_longer_side_around_it(
    folder, box, left, top, right, bottom
):
    pictures = load_folder(folder(row(box=box)), "train")
    width, height = right - left, bottom - top
    assert pictures.crops.tolist() == [[left, top, width, height]]
    side = 8
    cut = read_pictures(pictures, np.array([0]), side)[0]
    columns, rows = cut[:, :, 0].astype(float), cut[:, :, 1].astype(float)
    middle = slice(2, 6)  # away from the edges, where resizing mirrors nothing
    across, down = (round(size * side / min(width, height)) for size in (width, height))
    expected = left - 0.5 + (np.arange(side) + (across - side) // 2 + 0.5) * width / across
    np.testing.assert_allclose(columns[4, middle], expected[middle], atol=1)
    expected = top - 0.5 + (np.arange(side) + (down - side) // 2 + 0.5) * height / down
    np.testing.assert_allclose(rows[middle, 4], expected[middle], atol=1)


# --- what is refused ----------------------------------------------------------------------------


def test_folder_without_a_list_is_refused_with_the_format(tmp_path):
    message = refused(str(tmp_path))
    assert message.startswith(f"{tmp_path / 'train' / 'metadata.jsonl'}: there is no such file.")
    assert '{"file_name": …, "captions": […]' in message


def test_empty_list_is_refused(folder):
    assert "metadata.jsonl: the list is empty." in refused(folder("", "  "))


def test_list_in_another_encoding_is_refused(folder, tmp_path):
    directory = folder(row())
    (tmp_path / "train" / "metadata.jsonl").write_bytes('{"caption": "größe"}'.encode("latin-1"))
    assert "metadata.jsonl: is not UTF-8" in refused(directory)


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        ('{"file_name": "where.png"', "JSONDecodeError"),
        ("[1, 2]", "TypeError"),
        ("7", "TypeError"),
        ({"captions": ["a"]}, "'file_name'"),
        ({"file_name": "where.png"}, "'captions'"),
        (row(captions=[]), "where.png has no caption."),
        (row(captions="a red bird"), "`captions` must be a list"),
        (row(captions=None), "`captions` must be a list"),
        (row(file_name="gone.png"), "there is no picture"),
        (row(file_name="deep"), "there is no picture"),
        (row(file_name=None), "TypeError"),
        (row(class_id="sparrow"), "ValueError"),
        (row(box=[1, 2, 3]), "`box` must be four numbers"),
        (row(box=[1, 2, 3, 4, 5]), "`box` must be four numbers"),
        (row(box=["a", 2, 3, 4]), "ValueError"),
        (row(box=3), "TypeError"),
        (row(box=[100, 10, 8, 8]), "the box [100.0, 10.0, 8.0, 8.0] lies outside"),
        (row(box=[10, -30, 8, 8]), "lies outside"),
        (row(box=[10, 10, 0, 0]), "or has no area"),
    ],
)
def test_bad_line_is_refused_by_its_number(folder, bad, complaint):
    message = refused(folder(row(), "", bad, row()))
    assert "metadata.jsonl, line 3: " in message
    assert complaint in message


def test_missing_picture_is_named_with_its_whole_path(folder, tmp_path):
    message = refused(folder(row(file_name="deep/gone.png")))
    assert str(tmp_path / "train" / "deep" / "gone.png") in message


def test_box_in_a_file_that_is_no_picture_is_refused_by_its_line(folder, tmp_path):
    (tmp_path / "train" / "notes.png").write_text("not a picture")
    message = refused(folder(row(), row(file_name="notes.png", box=[1, 2, 3, 4])))
    assert "line 2: " in message
    assert "notes.png is no picture" in message
