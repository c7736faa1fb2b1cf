"""Anybody's folder: lists, text files, splits, and what is wrong with some."""

import json
import os
import tarfile
from collections import Counter

import pytest
from small_pictures import save_picture

from dmgan_tf.data.prepared import load_prepared
from dmgan_tf.errors import UserError
from dmgan_tf.preparation.plan import plan
from dmgan_tf.preparation.sources import find as find_any
from dmgan_tf.preparation.sources import folder
from dmgan_tf.preparation.writer import write


def splits(found):
    return Counter(entry.split for entry in found.entries)


def by_name(found):
    return {entry.name: entry for entry in found.entries}


def find(source, **options):
    return folder.find(source, options.pop("captions", None), source, **options)


def reasons(found):
    return {item.name: item.reason for item in found.left_out}


def test_text_files_beside_the_pictures(mine):
    found = find(mine)
    assert by_name(found)["red.jpg"].captions == ("a red bird", "the red bird no 0")


def test_pictures_and_texts_without_each_other(mine):
    (mine / "red.txt").unlink()
    (mine / "alone.txt").write_text("a bird\n")
    save_picture(mine / "blue.png")
    found = reasons(find(mine))
    assert found == {
        "red.jpg": "has no caption: there is no red.txt",
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


def write_jsonl(mine, *rows):
    text = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    (mine / "metadata.jsonl").write_text(text)


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
        "white.jpg": "has no caption",
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


def test_folders_train_and_test_are_the_splits(tmp_path):
    for split, color in (("train", "red"), ("test", "blue")):
        save_picture(tmp_path / split / "a.jpg", color)
        (tmp_path / split / "a.txt").write_text(f"a {color} bird")
    found = find(tmp_path)
    assert {(e.split, e.captions) for e in found.entries} == {
        ("train", ("a red bird",)),
        ("test", ("a blue bird",)),
    }
    assert len({entry.name for entry in found.entries}) == 2


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


def test_splits_by_fraction_class_and_file(mine, tmp_path):
    rows = [{"file_name": f"{i}.jpg", "text": "a bird", "class_id": i // 10} for i in range(400)]
    write_jsonl(mine, *rows)
    found = find(mine, test_share=0.25)
    assert 70 < splits(found)["test"] < 130
    fewer = {"file_name": rows[0]["file_name"], "text": "a bird"}
    write_jsonl(mine, fewer)
    assert by_name(find(mine, test_share=0.25))["0.jpg"].split == by_name(found)["0.jpg"].split
    write_jsonl(mine, *rows)
    by_class = find(mine, split="class", test_share=0.25)
    seen = {e.class_id: e.split for e in by_class.entries}
    assert all(seen[e.class_id] == e.split for e in by_class.entries)
    assert set(seen.values()) == {"train", "test"}
    (tmp_path / "unseen.txt").write_text("3.jpg\n5.jpg\n")
    named = find(mine, split=str(tmp_path / "unseen.txt"))
    assert {e.name for e in named.entries if e.split == "test"} == {"3.jpg", "5.jpg"}
    (tmp_path / "unseen.txt").write_text("nobody.jpg\n")
    with pytest.raises(UserError, match=r"names 'nobody\.jpg', which is no picture"):
        find(mine, split=str(tmp_path / "unseen.txt"))
    write_jsonl(mine, {"file_name": "red.jpg", "text": "a bird"})
    with pytest.raises(UserError, match="a picture has no class_id"):
        find(mine, split="class")


def lay_out_splits(root, *names):
    for name, color in zip(names, ("red", "blue", "green"), strict=False):
        save_picture(root / name / f"{color}.jpg", color)
    return root


@pytest.mark.parametrize("test", ["test", "validation", "val"])
@pytest.mark.parametrize("way", ["texts", "lists", "list above", "--captions"])
def test_folders_of_splits_count_whichever_list_names_their_pictures(tmp_path, way, test):
    root = lay_out_splits(tmp_path / "mine", "train", test)
    names = {"train": "red.jpg", test: "blue.jpg"}
    options = {}
    if way == "texts":
        for split, name in names.items():
            (root / split / name).with_suffix(".txt").write_text("a bird")
    elif way == "lists":
        for split, name in names.items():
            write_jsonl(root / split, {"file_name": name, "text": "a bird"})
    elif way == "list above":
        write_jsonl(root, *({"file_name": f"{s}/{n}", "text": "a bird"} for s, n in names.items()))
    else:
        options["captions"] = tmp_path / "captions.json"
        captions = {f"{split}/{name}": "a bird" for split, name in names.items()}
        options["captions"].write_text(json.dumps(captions))
    found = find(root, **options)
    assert {e.name: e.split for e in found.entries} == {
        "train/red.jpg": "train",
        f"{test}/blue.jpg": "test",
    }
    assert not found.left_out


def test_a_folder_called_train_alone_is_no_split(tmp_path):
    root = lay_out_splits(tmp_path / "mine", "train")
    (root / "train" / "red.txt").write_text("a bird")
    (entry,) = find(root, test_share=0.999).entries
    assert entry.split == "test"


def test_pictures_beside_the_splits_are_told(tmp_path):
    root = lay_out_splits(tmp_path / "mine", "train", "test", "other")
    for split, name in (("train", "red.jpg"), ("test", "blue.jpg")):
        write_jsonl(root / split, {"file_name": name, "text": "a bird"})
    assert reasons(find(root)) == {"other/green.jpg": "has no caption"}


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
        "red.jpg": "has no caption: red.txt is no text: it holds zero bytes"
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


def test_what_file_managers_leave_behind_is_nobodys_picture(tmp_path):
    root = lay_out_splits(tmp_path / "unpacked" / "my", "train", "test")
    for split, name in (("train", "red"), ("test", "blue")):
        (root / split / f"{name}.txt").write_text("a bird")
    hidden = tmp_path / "unpacked" / "__MACOSX" / "my"
    hidden.mkdir(parents=True)
    (hidden / "._red.jpg").write_bytes(b"mac")
    (root / "train" / "._red.jpg").write_bytes(b"mac")
    with tarfile.open(tmp_path / "my.tgz", "w:gz") as tar:
        tar.add(tmp_path / "unpacked", ".")
    found = folder.find(tmp_path / "my.tgz", None, tmp_path / "work")
    assert {e.name: e.split for e in found.entries} == {
        "train/red.jpg": "train",
        "test/blue.jpg": "test",
    }
    assert not found.left_out


def test_split_that_was_asked_for_beats_folders_and_lists(tmp_path):
    root = lay_out_splits(tmp_path / "mine", "train", "test")
    for split, name in (("train", "red"), ("test", "blue")):
        (root / split / f"{name}.txt").write_text("a bird")
    save_picture(root / "silent.jpg")
    (root / "unseen.txt").write_text("train/red.jpg\nsilent.jpg\n")
    found = find(root, split=str(root / "unseen.txt"))
    assert {e.name: e.split for e in found.entries} == {
        "train/red.jpg": "test",
        "test/blue.jpg": "train",
    }
    assert set(reasons(found)) == {"silent.jpg"}


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
