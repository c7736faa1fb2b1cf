"""Which split a picture of anybody's folder belongs to."""

import json
import tarfile
from collections import Counter

import pytest
from folders import by_name, find, reasons, write_jsonl
from small_pictures import save_picture

from dmgan_tf.errors import UserError
from dmgan_tf.preparation.sources import folder


def splits(found):
    return Counter(entry.split for entry in found.entries)


def lay_out_splits(root, *names):
    for name, color in zip(names, ("red", "blue", "green"), strict=False):
        save_picture(root / name / f"{color}.jpg", color)
    return root


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
    with pytest.raises(UserError, match=r"red\.jpg has no class_id"):
        find(mine, split="class")
    with pytest.raises(UserError, match="--split klass: is neither fraction nor class nor a file"):
        find(mine, split="klass")


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
