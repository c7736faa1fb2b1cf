"""Anybody's folder: lists, text files, splits, and what is wrong with some."""

import json
import os
import tarfile

import pytest
from folders import by_name, find, reasons, write_jsonl
from small_pictures import save_picture

from dmgan_tf.data.prepared import load_prepared
from dmgan_tf.errors import UserError
from dmgan_tf.preparation.lists import MALFORMED
from dmgan_tf.preparation.plan import plan
from dmgan_tf.preparation.sources import find as find_any
from dmgan_tf.preparation.sources import folder
from dmgan_tf.preparation.writer import write


def test_text_files_beside_the_pictures(mine):
    found = find(mine)
    assert by_name(found)["red.jpg"].captions == ("a red bird", "the red bird no 0")


def test_pictures_and_texts_without_each_other(mine):
    (mine / "red.txt").unlink()
    (mine / "alone.txt").write_text("a bird\n")
    for name in ("blue.png", "red.png"):
        save_picture(mine / name)
    found = reasons(find(mine))
    assert found == {
        "red.jpg": "has no caption: there is no red.txt",
        "red.png": "has no caption: there is no red.txt",
        "alone.txt": "has no picture beside it",
        "blue.png": "shares blue.txt with another picture",
    }


@pytest.mark.parametrize(
    "content",
    [
        "a café bird\n\n  \nthe other\n".encode(),
        b"\xef\xbb\xbf" + "a café bird\r\nthe other\r\n".encode(),
        "a café bird\nthe other".encode("utf-16"),
        "a café bird\nthe other".encode("cp1252"),
    ],
    ids=["utf-8", "byte-order mark", "utf-16", "windows"],
)
def test_text_files_of_any_encoding(mine, content):
    (mine / "red.txt").write_bytes(content)
    assert by_name(find(mine))["red.jpg"].captions == ("a café bird", "the other")


def test_metadata_jsonl(mine):
    write_jsonl(
        mine,
        {"file_name": "red.jpg", "text": "a red bird", "class_id": 7, "box": [1, 2, 30, 20]},
        {"file_name": "blue.jpg", "captions": ["a blue bird", "blue"], "split": "validation"},
        {"file_name": "blue.jpg", "text": "again"},
        {"file_name": "../outside.jpg", "text": "a bird"},
        {"file_name": "white.jpg"},
        {"file_name": "green.jpg", "text": "a bird", "box": [1, 2]},
    )
    found = find(mine, test_share=0.0)
    red, blue = by_name(found)["red.jpg"], by_name(found)["blue.jpg"]
    assert (red.class_id, red.box, red.split) == (7, (1.0, 2.0, 30.0, 20.0), "train")
    assert (blue.captions, blue.split) == (("a blue bird", "blue"), "test")
    assert reasons(found) == {
        "blue.jpg": "stands twice in metadata.jsonl: line 3",
        "../outside.jpg": "leaves the folder",
        "white.jpg": "has no caption: wanted is `captions` or `text`, found nothing",
        "green.jpg": "has a class or a box that can't be read: box [1, 2]",
    }


def test_metadata_csv(mine):
    (mine / "metadata.csv").write_bytes(
        b"\xef\xbb\xbffile_name,text,class_id,box\r\n"
        b'red.jpg,"a red, small bird",3,"[1, 2, 30, 20]"\r\nblue.jpg,a blue bird,,\r\n'
    )
    found = find(mine, test_share=0.0)
    red = by_name(found)["red.jpg"]
    assert (red.captions, red.class_id, red.box) == (("a red, small bird",), 3, (1, 2, 30, 20))
    assert by_name(found)["blue.jpg"].class_id is None
    assert reasons(found) == {"green.jpg": "has no caption", "white.jpg": "has no caption"}


def test_json_of_names(mine, tmp_path):
    path = tmp_path / "captions.json"
    path.write_text(json.dumps({"red.jpg": "a red bird", "blue.jpg": ["one", "two"]}))
    found = find(mine, captions=path)
    assert by_name(found)["blue.jpg"].captions == ("one", "two")
    assert set(reasons(found)) == {"green.jpg", "white.jpg"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"file_name": "red.jpg"', "metadata.jsonl, line 1: is no JSON"),
        ("[1]", "metadata.jsonl, line 1: must be an object"),
        ('\n{"text": "a bird"}', "metadata.jsonl, line 2: has no `file_name`"),
    ],
)
def test_bad_list_is_told_by_its_line(mine, text, message):
    write_jsonl(mine, text)
    with pytest.raises(UserError, match=message):
        find(mine)


@pytest.mark.parametrize("inside", [".", "my pictures"])
def test_archive_of_a_folder_is_unpacked(mine, tmp_path, inside):
    write_jsonl(mine, {"file_name": "red.jpg", "text": "a red bird"})
    with tarfile.open(tmp_path / "mine.tgz", "w:gz") as tar:
        tar.add(mine, inside)
    found = folder.find(tmp_path / "mine.tgz", None, tmp_path / "work")
    assert by_name(found)["red.jpg"].captions == ("a red bird",)


def test_relative_folder_with_an_absolute_name_in_its_list(mine, monkeypatch):
    monkeypatch.chdir(mine.parent)
    write_jsonl(mine, {"file_name": str(mine / "red.jpg"), "text": "a bird"})
    (entry,) = find(mine.relative_to(mine.parent)).entries
    assert entry.name == "red.jpg" and entry.path.is_file()


def test_names_that_no_file_can_have_are_left_out_with_it(mine, tmp_path):
    names = ["a\0b.jpg", "x" * 5000 + ".jpg", "half \ud800.jpg", os.fsdecode(b"caf\xe9.jpg")]
    write_jsonl(mine, *({"file_name": n, "text": "a bird"} for n in names))
    with (mine / "metadata.jsonl").open("a") as file:
        file.write('\n{"file_name": "red.jpg", "text": "a red bird"}')
    (mine / os.fsdecode(b"caf\xe9.jpg")).write_bytes((mine / "red.jpg").read_bytes())
    planned = plan(find(mine, test_share=0.0), "mine", None)
    write(planned, tmp_path / "out", processes=1)
    assert load_prepared(tmp_path / "out", "train").captions == (("a red bird",),)
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    left_out = {item["name"]: item["reason"] for item in report["left_out"]}
    assert left_out[names[0]] == "embedded null byte" or "null byte" in left_out[names[0]]
    assert left_out[names[1]] == "cannot be read: File name too long"
    assert left_out[names[2]] == left_out[names[3]] == "has a name that is no UTF-8"


def test_captions_that_are_no_unicode_are_left_out(mine):
    write_jsonl(mine, '{"file_name": "red.jpg", "captions": ["a \\ud800 bird", "a red bird"]}')
    (entry,) = plan(find(mine, test_share=0.0), "mine", None).entries
    assert entry.captions == ("a red bird",)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-8-sig"])
@pytest.mark.parametrize("kind", ["jsonl", "csv", "json"])
def test_lists_of_any_encoding(mine, tmp_path, encoding, kind):
    content = {
        "jsonl": '{"file_name": "red.jpg", "text": "a café bird"}\n',
        "csv": "file_name,text\nred.jpg,a café bird\n",
        "json": '{"red.jpg": "a café bird"}',
    }[kind].encode(encoding)
    path = tmp_path / "captions.json" if kind == "json" else mine / f"metadata.{kind}"
    path.write_bytes(content)
    found = find(mine, **({"captions": path} if kind == "json" else {}))
    assert by_name(found)["red.jpg"].captions == ("a café bird",)


def test_text_with_zero_bytes_is_no_text(mine):
    (mine / "red.txt").write_bytes("a bird".encode("utf-16-le"))
    assert reasons(find(mine)) == {
        "red.jpg": "has no caption: red.txt is no text: line 1 holds zero bytes"
    }


def test_csv_holds_a_list_of_captions(mine):
    (mine / "metadata.csv").write_text(
        'file_name,captions\nred.jpg,"[""a bird"", ""red""]"\nblue.jpg,[one bird\n'
    )
    found = by_name(find(mine))
    assert found["red.jpg"].captions == ("a bird", "red")
    assert found["blue.jpg"].captions == ("[one bird",)


@pytest.mark.parametrize("deep", ["[" * 100_000, '{"a":' * 100_000])
def test_deep_json_is_one_line(mine, tmp_path, deep):
    write_jsonl(mine, deep)
    with pytest.raises(UserError, match=r"metadata\.jsonl, line 1: is no JSON"):
        find(mine)
    (tmp_path / "captions.json").write_text(deep)
    with pytest.raises(UserError, match="is no JSON of name → captions"):
        find(mine, captions=tmp_path / "captions.json")


def test_what_no_source_foresaw_is_one_line(mine, tmp_path):
    (mine / "metadata.jsonl").mkdir()
    (mine / "metadata.csv").symlink_to(mine / "metadata.csv")
    with pytest.raises(UserError, match="cannot be read as folder"):
        find_any("folder", tmp_path / ("x" * 5000), None, tmp_path)


@pytest.mark.parametrize("error", MALFORMED)
def test_no_error_of_a_strangers_file_is_a_traceback(mine, tmp_path, monkeypatch, error):
    def fail(*_):
        raise error("odd")

    monkeypatch.setattr(folder, "_rows", fail)
    with pytest.raises(UserError, match=r"mine: cannot be read as folder: .*odd"):
        find_any("folder", mine, None, tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("file_name,text\nred.jpg,a red, small bird\n", "line 2: has more fields than the first"),
        ('file_name,text\nred.jpg,"a bird\nblue.jpg,two birds\n', "cannot be read as CSV"),
    ],
)
def test_csv_whose_captions_would_be_cut_or_joined_is_refused(mine, content, message):
    (mine / "metadata.csv").write_text(content)
    with pytest.raises(UserError, match=message):
        find(mine)


def test_whole_numbers_with_a_point_are_classes_and_others_are_not(mine):
    write_jsonl(
        mine,
        {"file_name": "red.jpg", "text": "a bird", "class_id": "3.0"},
        {"file_name": "blue.jpg", "text": "a bird", "class_id": 3.7},
        {"file_name": "green.jpg", "text": "a bird", "box": []},
        {"file_name": "white.jpg", "text": "a bird", "captions": None},
    )
    found = find(mine)
    assert by_name(found)["red.jpg"].class_id == 3
    assert by_name(found)["white.jpg"].captions == ("a bird",)
    assert set(reasons(found)) == {"blue.jpg", "green.jpg"}
