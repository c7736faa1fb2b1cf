"""Tars, parquet and TFRecord files of samples: what is read, what is left out, and why."""

import tarfile
from collections import Counter

import pytest
from folders import by_name, reasons
from small_entries import prepare
from small_samples import (
    add,
    contents,
    find_in,
    picture_bytes,
    samples,
    write_columns,
    write_parquet,
    write_tar,
    write_tfrecord,
)

from dmgan_tf.data.prepared import load_prepared
from dmgan_tf.errors import UserError
from dmgan_tf.preparation.plan import forecast, plan

WRITERS = {"webdataset": write_tar, "parquet": write_parquet, "tfrecord": write_tfrecord}
SUFFIXES = {"webdataset": ".tar", "parquet": ".parquet", "tfrecord": ".tfrecord"}
SOURCES = pytest.mark.parametrize("source", list(WRITERS))


@pytest.fixture(autouse=True)
def _pyarrow(request):
    if "parquet" in request.node.name:
        pytest.importorskip("pyarrow")


@SOURCES
def test_samples_have_the_pictures_and_captions_that_were_written(source, tmp_path):
    written = samples(tmp_path, 5)
    for number, part in enumerate((written[:3], written[3:])):
        WRITERS[source](tmp_path / "set" / f"{number:05d}{SUFFIXES[source]}", part)
    found = find_in(source, tmp_path / "set")
    assert not found.left_out
    names = [f"{'00000' if i < 3 else '00001'}/{i:09d}" for i in range(5)]
    assert list(contents(found).values()) == [picture for _, picture, _ in written]
    assert [entry.name for entry in found.entries] == names
    assert [entry.captions for entry in found.entries] == [(v["caption"],) for *_, v in written]


@SOURCES
def test_one_file_becomes_a_prepared_folder(source, tmp_path):
    path = WRITERS[source](tmp_path / f"0{SUFFIXES[source]}", samples(tmp_path, 12))
    prepare(find_in(source, path, test_share=0.3), tmp_path / "out")
    train, test = (load_prepared(tmp_path / "out", split) for split in ("train", "test"))
    assert len(train) + len(test) == 12 and len(test)


@SOURCES
def test_filters_are_told_with_names_and_reasons(source, tmp_path):
    path = WRITERS[source](tmp_path / f"0{SUFFIXES[source]}", samples(tmp_path, 5))
    found = find_in(source, path, min_similarity=0.2, language="EN")
    assert list(by_name(found)) == ["0/000000002", "0/000000004"]
    assert not found.left_out
    assert dict(found.excluded) == {
        "0/000000000": "has the similarity 0, less than 0.2",
        "0/000000001": "has the similarity 0.1, less than 0.2",
        "0/000000003": "is in the language 'de'",
    }
    found = find_in(source, path, min_similarity=0.2, similarity_key="clip", split="fraction")
    assert set(dict(found.excluded).values()) == {"has no `clip`"}
    with pytest.raises(UserError, match="The first thing left out: 0/000000000: has no `clip`"):
        prepare(found, tmp_path / "out")
    (tmp_path / "split.txt").write_text("0/000000001\n0/000000002\n")
    found = find_in(source, path, language="en", split=str(tmp_path / "split.txt"))
    assert [entry.split for entry in found.entries] == ["train", "test", "train"]
    found = find_in(source, path, language="en", language_key="lang")
    assert set(dict(found.excluded).values()) == {"has no `lang`"}


@SOURCES
def test_captions_may_stand_at_another_key(source, tmp_path):
    written = samples(tmp_path, 2)
    written[1][2]["caption"] = ""
    for *_, values in written:
        values["alt"] = "an  old\nbird"
    path = WRITERS[source](tmp_path / f"0{SUFFIXES[source]}", written)
    assert {entry.captions for entry in find_in(source, path, caption_key="alt").entries} == {
        ("an old bird",)
    }
    found = find_in(source, path)
    assert list(by_name(found)) == ["0/000000000"]
    assert reasons(found)["0/000000001"].startswith("has no caption: there is ")


@SOURCES
def test_a_file_that_was_cut_gives_what_it_holds(source, tmp_path):
    written = samples(tmp_path, 40)
    whole = WRITERS[source](tmp_path / "set" / f"0{SUFFIXES[source]}", written)
    cut = whole.with_stem("1")
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    found = find_in(source, tmp_path / "set")
    names = [entry.name for entry in found.entries]
    assert [name for name in names if name[0] == "0"] == [f"0/{i:09d}" for i in range(40)]
    # The footer of a parquet file is its end.
    assert (0 if source == "parquet" else 15) <= len(names) - 40 < 25
    assert f"1{SUFFIXES[source]}, from here on" in reasons(found)
    prepare(found, tmp_path / "out")


@SOURCES
def test_folders_and_names_of_files_are_the_splits(source, tmp_path):
    written = samples(tmp_path, 3)
    names = ("train-00000-of-00001", "test-00000-of-00001", "validation/0")
    for name, part in zip(names, written, strict=True):
        WRITERS[source](tmp_path / "set" / f"{name}{SUFFIXES[source]}", [part])
    splits = [(e.name[:4], e.split) for e in find_in(source, tmp_path / "set").entries]
    assert splits == [("test", "test"), ("trai", "train"), ("vali", "test")]
    found = find_in(source, tmp_path / "set", split="fraction", test_share=0.0)
    assert Counter(entry.split for entry in found.entries) == {"train": 3}


@SOURCES
def test_nothing_of_the_kind_is_told(source, tmp_path):
    (tmp_path / "set").mkdir()
    with pytest.raises(UserError, match=rf"set: holds no \{SUFFIXES[source]} files"):
        find_in(source, tmp_path / "set")
    (tmp_path / "set" / f"0{SUFFIXES[source]}").write_bytes(b"<html>not found</html>")
    found = find_in(source, tmp_path / "set")
    assert not found.entries and len(found.left_out) == 1
    with pytest.raises(UserError, match=r"The first thing left out: 0\..*, from here on"):
        prepare(found, tmp_path / "out")


@SOURCES
def test_pictures_of_the_same_bytes_are_left_out_once(source, tmp_path):
    written = samples(tmp_path, 3)
    written.append(("000000009", written[1][1], written[2][2] | {"key": "000000009"}))
    path = WRITERS[source](tmp_path / f"0{SUFFIXES[source]}", written)
    planned = plan(find_in(source, path), source, None, strict=True, deduplicate=True)
    assert len(planned.entries) == 3
    assert planned.excluded == [("0/000000009", "is the same picture as 0/000000001")]
    assert "excluded, as asked for or by design: 1" in planned.summary()


@SOURCES
def test_pictures_that_grow_as_png_are_counted_so(source, tmp_path):
    """The size that is told, and for which the disk must have room."""
    written = samples(tmp_path, 3, "webp")
    if source == "webdataset":
        path = write_tar(tmp_path / "0.tar", written, "webp")
    elif source == "parquet":
        image = [{"bytes": picture, "path": f"{key}.webp"} for key, picture, _ in written]
        text = ["a red bird"] * 3
        path = write_columns(tmp_path / "0.parquet", image=image, text=text)
    else:
        path = write_tfrecord(tmp_path / "0.tfrecord", written, "webp")
    entries = find_in(source, path).entries
    assert forecast(entries) == 6 * sum(entry.within.size for entry in entries)
    path = WRITERS[source](tmp_path / f"1{SUFFIXES[source]}", samples(tmp_path, 3))
    entries = find_in(source, path).entries
    assert forecast(entries) == sum(entry.within.size for entry in entries)


def test_the_copy_that_has_captions_stays(tmp_path):
    written = samples(tmp_path, 3)
    silent = written[0][2] | {"caption": "?!"}
    written = [("a", written[1][1], silent), *written]
    path = write_tar(tmp_path / "0.tar", written)
    found = find_in("webdataset", path, test_share=0.0)
    planned = plan(found, "webdataset", None, deduplicate=True)
    assert [entry.name[-1] for entry in planned.entries] == ["0", "1", "2"]
    assert not planned.excluded


# --- webdataset ---------------------------------------------------------------------------------


def test_tar_of_a_stranger_is_left_out_with_reasons(tmp_path):
    picture = picture_bytes(tmp_path, 1)
    with tarfile.open(tmp_path / "0.tar", "w") as tar:
        add(tar, "../../etc/a.jpg", picture)
        add(tar, "../../etc/a.txt", b"a red bird")
        add(tar, "b.txt", b"a bird without a picture")
        add(tar, "c.jpg", picture)
        add(tar, "d.jpg", picture)
        add(tar, "d.txt", b"x" * (2**20 + 1))
        add(tar, "e.jpg", picture)
        add(tar, "e.json", b"[1, 2")
        add(tar, "f.jpg", picture)
        add(tar, "f.txt", b"a\0bird")
        link = tarfile.TarInfo("g.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        add(tar, "g.txt", b"a red bird")
        add(tar, "h.jpg", picture)
        add(tar, "h.json", b"[" * 100_000)
        add(tar, "._i.jpg", b"a file manager's")
        add(tar, "i/j.x.PNG", picture)
        add(tar, "i/j.txt", "ein schöner Vogel".encode())
    found = find_in("webdataset", tmp_path / "0.tar")
    assert {e.name: e.captions for e in found.entries} == {"0/i/j": ("ein schöner Vogel",)}
    told = reasons(found)
    assert told["0/../../etc/a"] == "has a name that leaves the folder"
    assert told["0/b"] == "has no picture: there is txt"
    assert told["0/c"] == "has no caption: there is nothing"
    assert told["0/d"] == "d.txt is larger than 1 MiB"
    assert told["0/e"].startswith("has no values that can be read: ")
    assert (
        told["0/f"] == "has no values that can be read: f.txt is no text: line 1 holds zero bytes"
    )
    assert told["0/g"] == "g.jpg is no ordinary file"
    assert told["0/h"].startswith("has no values that can be read: ")
    assert len(told) == 8


def test_member_of_any_size_is_not_read(tmp_path):
    header = tarfile.TarInfo("a.jpg")
    header.size = 2**40
    (tmp_path / "0.tar").write_bytes(header.tobuf() + b"\0" * 1024)
    (tmp_path / "1.tar").write_bytes(write_tar(tmp_path / "x", samples(tmp_path, 1)).read_bytes())
    (tmp_path / "x").unlink()
    found = find_in("webdataset", tmp_path)
    assert list(by_name(found)) == ["1/000000000"]
    assert "0.tar, from here on" in reasons(found)


def test_the_picture_of_a_sample_is_the_plain_one_or_the_one_that_is_named(tmp_path):
    depth, seen, masked = (picture_bytes(tmp_path, i) for i in range(3))
    with tarfile.open(tmp_path / "0.tar", "w") as tar:
        add(tar, "0.depth.png", depth)
        add(tar, "0.JPG", seen)
        add(tar, "0.mask.jpg", masked)
        add(tar, "0.txt", b"a red bird")
        add(tar, "0.de.txt", b"ein Vogel")

    def picture(**options):
        found = find_in("webdataset", tmp_path / "0.tar", **options)
        return list(contents(found).values())

    assert picture() == picture(image_key="jpg") == [seen]
    assert picture(image_key="depth.png") == picture(image_key="png") == [depth]
    assert picture(image_key="mask.jpg") == [masked]
    assert picture(image_key="webp") == []
    (entry,) = find_in("webdataset", tmp_path / "0.tar").entries
    assert entry.captions == ("a red bird",)
    (entry,) = find_in("webdataset", tmp_path / "0.tar", caption_key="de.txt").entries
    assert entry.captions == ("ein Vogel",)


def test_one_strange_sample_ends_no_tar(tmp_path):
    picture = picture_bytes(tmp_path, 1)
    with tarfile.open(tmp_path / "0.tar", "w") as tar:
        for key, content in (("a", b"[[1, 2]]"), ("b", b'[["txt", "a"]]'), ("c", b'"a bird"')):
            add(tar, f"{key}.jpg", picture)
            add(tar, f"{key}.json", content)
        add(tar, "d.jpg", picture)
        add(tar, "d.json", b'{"caption": "a red bird"}')
    found = find_in("webdataset", tmp_path / "0.tar")
    assert list(by_name(found)) == ["0/d"]
    assert reasons(found) == {
        f"0/{key}": f"has no values that can be read: {key}.json is no object" for key in "abc"
    }


def test_one_strange_record_ends_no_tfrecord_file(tmp_path):
    import tensorflow as tf

    written = samples(tmp_path, 2)
    parts = [write_tfrecord(tmp_path / f"{i}.tfrecord", [written[i]]) for i in range(2)]
    with tf.io.TFRecordWriter(str(tmp_path / "odd")) as writer:
        writer.write(b"no example")
    content = [path.read_bytes() for path in (parts[0], tmp_path / "odd", parts[1])]
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "0.tfrecord").write_bytes(b"".join(content))
    found = find_in("tfrecord", tmp_path / "set")
    assert list(by_name(found)) == ["0/000000000", "0/000000001"]
    (reason,) = reasons(found).values()
    assert reason.startswith("is a record that is no tf.train.Example")
