"""Writing the prepared folder: whole or not there, gone on with, and what is left out."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import tensorflow as tf
from PIL import Image
from small_entries import entries, prepare
from small_pictures import save_picture

from dmgan_tf.data import encoded_captions, index_columns
from dmgan_tf.data.encoded_captions import encode_all
from dmgan_tf.data.prepared import load_prepared, load_prepared_vocabulary
from dmgan_tf.errors import UserError
from dmgan_tf.preparation import writer
from dmgan_tf.preparation.entry import Entry, Found
from dmgan_tf.preparation.picture_file import read_picture
from dmgan_tf.preparation.plan import plan
from dmgan_tf.preparation.sources import folder as folder_source

HALF = "a \ud800 bird"  # what `json` reads of half of an escape of two


def report(out):
    left_out = json.loads((out / "report.json").read_text())["left_out"]
    return {(item["name"], item["reason"]) for item in left_out}


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_shards_are_tfrecords_of_examples(tmp_path):
    found = entries(tmp_path)
    prepare(Found(entries=found), tmp_path / "out")
    (shard,) = (tmp_path / "out").glob("train-*.tfrecord")
    examples = [tf.train.Example.FromString(r.numpy()) for r in tf.data.TFRecordDataset(str(shard))]
    values = [example.features.feature for example in examples]
    assert [v["name"].bytes_list.value[0].decode() for v in values] == [e.name for e in found[:4]]
    assert values[1]["image"].bytes_list.value[0] == found[1].path.read_bytes()
    assert list(values[1]["captions"].bytes_list.value) == [b"a blue bird", b"number 1"]


def test_same_input_gives_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        prepare(Found(entries=entries(tmp_path)), tmp_path / name)
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_arrays_of_a_large_index_are_there_before_training_reads_it(tmp_path, monkeypatch):
    monkeypatch.setattr(index_columns, "_LARGE_BYTES", 0)
    out = tmp_path / "out"
    prepare(Found(entries=entries(tmp_path)), out)
    monkeypatch.setattr(index_columns, "_rows", None)  # they are not made again
    monkeypatch.setattr(encoded_captions, "_encode", None)
    pictures = load_prepared(out, "train")
    assert len(encode_all(pictures, load_prepared_vocabulary(out)).firsts) == len(pictures) + 1


def test_a_stopped_run_goes_on_after_the_last_whole_shard(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "PICTURES_PER_SHARD", 2)
    found = entries(tmp_path, 10)
    prepare(Found(entries=found), tmp_path / "straight")
    real, written = writer._write_shard, []

    def stop_at_the_third(partial, name, *rest):
        if len(written) == 2:
            (partial / f"{name}.writing").write_bytes(b"half")
            raise KeyboardInterrupt
        written.append(name)
        return real(partial, name, *rest)

    monkeypatch.setattr(writer, "_write_shard", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        prepare(Found(entries=found), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    again = []
    monkeypatch.setattr(
        writer, "_write_shard", lambda p, name, *rest: again.append(name) or real(p, name, *rest)
    )
    prepare(Found(entries=found), tmp_path / "out")
    assert written and not set(written) & set(again)
    assert files(tmp_path / "out") == files(tmp_path / "straight")


def stopped(tmp_path, found, monkeypatch):
    """A run into `out` that was stopped before its last step."""
    real = Path.rename

    def stop(path, target):
        if path.suffix == ".partial":
            raise KeyboardInterrupt
        return real(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", stop)
        with pytest.raises(KeyboardInterrupt):
            prepare(found, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_changed_source_begins_anew(tmp_path, monkeypatch):
    found = entries(tmp_path)
    stopped(tmp_path, Found(entries=found), monkeypatch)
    changed = [replace(entry, captions=("another bird",)) for entry in found]
    prepare(Found(entries=changed), tmp_path / "straight")
    prepare(Found(entries=changed), tmp_path / "out")
    assert files(tmp_path / "out") == files(tmp_path / "straight")


@pytest.mark.parametrize("spoilt", ["train-00000-of-00001.tfrecord", ".json"])
def test_a_shard_or_journal_that_was_cut_is_written_again(tmp_path, monkeypatch, spoilt):
    found = Found(entries=entries(tmp_path))
    prepare(found, tmp_path / "straight")
    stopped(tmp_path, found, monkeypatch)
    (path,) = (tmp_path / "out.partial").glob(f"train*{spoilt}" if spoilt[0] == "." else spoilt)
    path.write_bytes(path.read_bytes()[:10])
    prepare(found, tmp_path / "out")
    assert files(tmp_path / "out") == files(tmp_path / "straight")


def test_two_runs_into_one_folder_are_refused(tmp_path):
    found = Found(entries=entries(tmp_path))
    planned = plan(found, "test", None)
    with (
        writer._begun("", tmp_path / "out.partial", planned.entries),
        pytest.raises(UserError, match="another run is writing there"),
    ):
        prepare(found, tmp_path / "out")


def test_everything_left_out_has_its_name_and_reason(tmp_path):
    good = entries(tmp_path, 4)
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"<html>")
    box = {"box": (100.0, 5.0, 10.0, 10.0)}
    more = [
        Entry(name="broken", split="train", path=bad, captions=("a red bird",)),
        Entry(name="missing", split="train", path=tmp_path / "no.jpg", captions=("a red bird",)),
        Entry(name="silent", split="train", path=good[0].path, captions=("", "!?", HALF)),
        Entry(name="picture 1", split="train", path=good[0].path, captions=("a red bird",)),
        Entry(name="boxed", split="train", path=good[0].path, captions=("a red bird",), **box),
        Entry(
            name="flat", split="train", path=good[0].path, captions=("a bird",), box=(1, 1, 0, 5)
        ),
        Entry(name="foreign", split="test", path=good[0].path, captions=("ein Vogel", "a bird")),
        Entry(name="strange", split="test", path=good[0].path, captions=("ein Vogel",)),
    ]
    printed = prepare(Found(entries=good + more), tmp_path / "out")
    found = report(tmp_path / "out")
    for name, reason in (
        ("broken", "is no picture of a known format"),
        ("missing", "cannot be read: No such file or directory"),
        ("silent", "has no caption"),
        ("silent", "a caption without a word: '!?'"),
        ("silent", f"a caption that is no Unicode: {HALF!r}"),
        ("picture 1", "is the name of an earlier picture as well"),
        ("boxed", "its box [100.0, 5.0, 10.0, 10.0] lies outside of its 40 × 30 pixels"),
        ("flat", "its box [1, 1, 0, 5] has no area"),
        ("foreign", "1 captions without a known word"),
        ("strange", "has no caption with a known word"),
    ):
        assert (name, reason) in found
    assert f"left out: {len(found)}" in printed
    assert len(load_prepared(tmp_path / "out", "train")) == 4
    assert load_prepared(tmp_path / "out", "test").captions == (("a bird",),)


@pytest.mark.parametrize(
    ("captions", "reason"),
    [
        (("!",), "a caption without a word"),
        (("a red bird", HALF), "a caption that is no Unicode"),
        (("a red bird",), "is empty"),
    ],
)
def test_strict_makes_the_first_one_an_error(tmp_path, captions, reason):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"")
    extra = Entry(name="bad one", split="train", path=bad, captions=captions)
    with pytest.raises(UserError, match=f"bad one: {reason}.* Without --strict it would be left"):
        prepare(Found(entries=[*entries(tmp_path), extra]), tmp_path / "out", strict=True)
    assert not (tmp_path / "out").exists()


def test_nothing_to_train_with_is_an_error(tmp_path):
    with pytest.raises(UserError, match="holds no picture with a caption to train with"):
        prepare(Found(entries=[]), tmp_path / "out")


def test_anybodys_folder_becomes_one(mine, tmp_path):
    found = folder_source.find(mine, None, tmp_path, test_share=0.5)
    prepare(found, tmp_path / "out")
    train, test = (load_prepared(tmp_path / "out", split) for split in ("train", "test"))
    assert len(train) + len(test) == 4


def test_a_run_killed_within_its_last_step_goes_on(tmp_path, monkeypatch):
    found = Found(entries=entries(tmp_path))
    prepare(found, tmp_path / "straight")
    stopped(tmp_path, found, monkeypatch)
    monkeypatch.setattr(writer, "_write_shard", None)  # nothing is left to write
    prepare(found, tmp_path / "out")
    assert files(tmp_path / "out") == files(tmp_path / "straight")


def test_a_picture_that_only_pillow_reads_is_left_out(tmp_path):
    content = save_picture(tmp_path / "whole.jpg", "red").read_bytes()
    # A mark whose length leads behind the end of the file.
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(content[:-20] + b"\xff\xe0" + content[-18:])
    read_picture(bad)  # Pillow doesn't mind
    more = Entry(name="odd", split="train", path=bad, captions=("a red bird",))
    prepare(Found(entries=[*entries(tmp_path, 2), more]), tmp_path / "out")
    assert len(load_prepared(tmp_path / "out", "train")) == 2
    assert report(tmp_path / "out") == {("odd", "can't be decoded by TensorFlow")}


def test_box_in_a_turned_picture_and_a_tiny_one_are_left_out(tmp_path):
    good = entries(tmp_path, 2)
    image = Image.open(good[0].path).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    more = [
        replace(good[0], name="turned", path=tmp_path / "turned.jpg", box=(2.0, 2.0, 20.0, 10.0)),
        replace(good[0], name="tiny", box=(9.0, 9.0, 1.0, 1.0)),
        replace(good[0], name="odd", class_id=2**40),
    ]
    prepare(Found(entries=[*good, *more]), tmp_path / "out")
    assert report(tmp_path / "out") == {
        ("turned", "is turned by EXIF, so that it's not known where its box lies"),
        ("tiny", "its box [9.0, 9.0, 1.0, 1.0] is too small"),
        ("odd", f"has the class {2**40}, which is not in [0, 2³¹)"),
    }
