"""Tars, parquet and TFRecord files of samples: what is read, what is left out, and why."""

import sys
import tarfile
from collections import Counter

import pytest
from folders import by_name, reasons
from small_entries import prepare
from small_pictures import save_picture
from small_samples import (
    add,
    picture_bytes,
    samples,
    write_columns,
    write_parquet,
    write_tar,
    write_tfrecord,
)

from dmgan_tf.data.prepared import load_prepared
from dmgan_tf.errors import UserError
from dmgan_tf.preparation.duplicates import without_duplicates
from dmgan_tf.preparation.picture_place import read_bytes
from dmgan_tf.preparation.sources import find

WRITERS = {"webdataset": write_tar, "parquet": write_parquet, "tfrecord": write_tfrecord}
SUFFIXES = {"webdataset": ".tar", "parquet": ".parquet", "tfrecord": ".tfrecord"}
SOURCES = pytest.mark.parametrize("source", list(WRITERS))


@pytest.fixture(autouse=True)
def _pyarrow(request):
    if "parquet" in request.node.name:
        pytest.importorskip("pyarrow")


def find_in(source, path, **options):
    return find(source, path, None, path, **options)


def contents(found):
    return {entry.name: read_bytes(entry.path, entry.within) for entry in found.entries}


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
    assert reasons(found) == {
        "0/000000000": "has the similarity 0, less than 0.2",
        "0/000000001": "has the similarity 0.1, less than 0.2",
        "0/000000003": "is in the language 'de'",
    }
    found = find_in(source, path, min_similarity=0.2, similarity_key="clip", split="fraction")
    assert set(reasons(found).values()) == {"has no `clip`"}
    found = find_in(source, path, language="en", language_key="lang")
    assert set(reasons(found).values()) == {"has no `lang`"}


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
    found = without_duplicates(find_in(source, path))
    assert len(found.entries) == 3
    assert reasons(found) == {"0/000000009": "is the same picture as 0/000000001"}


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


# --- parquet ------------------------------------------------------------------------------------


def test_parquet_of_hugging_face(tmp_path):
    pictures = [picture_bytes(tmp_path, i) for i in range(3)]
    image = [{"bytes": content, "path": f"{i}.jpg"} for i, content in enumerate(pictures)]
    captions = [["a red bird", "a  bird"], ["a blue bird"], []]
    write_columns(tmp_path / "data" / "0.parquet", image=image, captions=captions)
    found = find_in("parquet", tmp_path / "data")
    assert list(contents(found).values()) == pictures[:2]
    assert by_name(found)["0/000000000"].captions == ("a red bird", "a bird")
    assert reasons(found) == {"0/000000002": "has no caption: there is captions, image"}


def test_parquet_whose_rows_name_files(tmp_path):
    picture = save_picture(tmp_path / "set" / "pictures" / "a.jpg")
    names = ["pictures/a.jpg", "../../a.jpg", "/etc/passwd", "http://127.0.0.1/a.jpg", None]
    text = ["a red bird"] * 5
    write_columns(tmp_path / "set" / "0.parquet", file_name=names, text=text)
    images = [{"bytes": None, "path": name} for name in names]
    import pyarrow as pa

    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    write_columns(tmp_path / "set" / "1.parquet", image=pa.array(images, kind), text=text)
    found = find_in("parquet", tmp_path / "set")
    assert [(e.name, e.path, e.within) for e in found.entries] == [
        ("0/000000000", picture, None),
        ("1/000000000", picture, None),
    ]
    for name, column in (("0", "file_name"), ("1", "image.path")):
        told = [reason for key, reason in reasons(found).items() if key[0] == name]
        assert told == [
            "names a file that leaves the folder: '../../a.jpg'",
            "names a file that leaves the folder: '/etc/passwd'",
            f"names an address, not a file, in `{column}`",
            f"names no file in `{column}`",
        ]


def test_parquet_beside_the_files_of_img2dataset(tmp_path):
    write_columns(
        tmp_path / "set" / "00000.parquet",
        key=["000000000", "000000001"],
        caption=["a red bird", None],
        status=["success", "failed_to_download"],
        similarity=[0.3, 0.4],
    )
    picture = save_picture(tmp_path / "set" / "00000" / "000000000.png")
    found = find_in("parquet", tmp_path / "set", min_similarity=0.1)
    assert [entry.path for entry in found.entries] == [picture]
    assert reasons(found) == {"00000/000000001": "has no picture: failed_to_download"}


def test_columns_of_another_kind_are_told(tmp_path):
    picture = [picture_bytes(tmp_path, 0)]
    for name, columns in {
        "0": {"jpg": picture, "caption": [7]},
        "1": {"jpg": [7], "caption": ["a bird"]},
        "2": {"jpg": [[1, 2]], "caption": ["a bird"]},
    }.items():
        write_columns(tmp_path / "set" / f"{name}.parquet", **columns)
    told = reasons(find_in("parquet", tmp_path / "set"))
    assert told["0.parquet, from here on"].startswith("has no column of captions `txt`, `caption`")
    assert told["0.parquet, from here on"].endswith("only `jpg`, `caption`")
    assert told["1.parquet, from here on"].startswith("has no column of pictures `jpg`, ")
    told = reasons(find_in("parquet", tmp_path / "set", caption_key="caption", image_key="jpg"))
    assert list(told.values()) == [
        "its column `caption` is int64, not text",
        "its column `jpg` is int64, neither bytes nor {bytes, path} nor text",
        "its column `jpg` is list<element: int64>, neither bytes nor {bytes, path} nor text",
    ]


def test_a_picture_that_a_parquet_file_lacks_is_told(tmp_path):
    written = samples(tmp_path, 30)
    written[11] = (written[11][0], None, written[11][2])
    found = find_in("parquet", write_parquet(tmp_path / "0.parquet", written, row_group_size=20))
    prepare(found, tmp_path / "out")
    splits = [load_prepared(tmp_path / "out", split) for split in ("train", "test")]
    names = sorted(name for pictures in splits for name in pictures.records.names)
    assert names == [f"0/{i:09d}" for i in range(30) if i != 11]
    assert '"reason": "has no bytes"' in (tmp_path / "out" / "report.json").read_text()
    cell = found.entries[25].within
    assert (cell.row_group, cell.row) == (1, 5)
    # Backwards too.
    assert read_bytes(found.entries[25].path, cell) == written[25][1]
    assert read_bytes(found.entries[3].path, found.entries[3].within) == written[3][1]


def test_without_pyarrow_it_is_told_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "0.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match=r"need the package `pyarrow`: pip install 'dmgan_tf\[parq"):
        find_in("parquet", tmp_path)
