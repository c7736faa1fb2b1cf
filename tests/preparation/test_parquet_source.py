"""Parquet files: the columns that pictures and captions may stand in, and files of strangers."""

import subprocess
import sys

import pytest
from command_lines import environment
from folders import by_name, reasons
from small_entries import prepare
from small_pictures import save_picture
from small_samples import contents, find_in, picture_bytes, samples, write_columns, write_parquet

from dmgan_tf.data.prepared import load_prepared
from dmgan_tf.errors import UserError
from dmgan_tf.preparation.picture_place import read_bytes


@pytest.fixture(autouse=True)
def _pyarrow():
    pytest.importorskip("pyarrow")


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


def test_parquet_columns_of_any_kind_stand_beside_the_picture(tmp_path):
    meta = [{"w": 3, "h": 4}]
    write_columns(
        tmp_path / "0.parquet", jpg=[picture_bytes(tmp_path, 0)], meta=meta, text=["a red bird"]
    )
    assert not find_in("parquet", tmp_path / "0.parquet").left_out


def test_one_strange_row_ends_no_parquet_file(tmp_path):
    import pyarrow as pa

    pictures = [picture_bytes(tmp_path, i) for i in range(4)]
    texts = [b"a red bird", b"a" * (2**20 + 1), b"a \xff bird", b"a blue bird"]
    text = pa.array(texts, pa.binary()).view(pa.string())
    write_columns(tmp_path / "0.parquet", jpg=pictures, text=text)
    found = find_in("parquet", tmp_path / "0.parquet")
    assert list(contents(found).values()) == [pictures[0], pictures[3]]
    told = reasons(found)
    assert told["0/000000001"] == "has values of more than 1 MiB"
    assert told["0/000000002"].startswith("has values that can't be read: ")


def test_parquet_key_that_is_too_long_for_a_file_is_told(tmp_path):
    keys = ["k" * 300, "000000001"]
    write_columns(tmp_path / "set" / "0.parquet", key=keys, caption=["a red bird"] * 2)
    save_picture(tmp_path / "set" / "0" / "000000001.jpg")
    prepare(find_in("parquet", tmp_path / "set", test_share=0.0), tmp_path / "out")
    assert load_prepared(tmp_path / "out", "train").records.names == ["0/000000001"]
    assert "cannot be read: File name too long" in (tmp_path / "out" / "report.json").read_text()


# In a process of its own, of which it tells the most bytes that Arrow held.
_READ = """
import sys
from pathlib import Path
import pyarrow
from dmgan_tf.preparation.picture_place import read_bytes
from dmgan_tf.preparation.sources import find
path = Path(sys.argv[1])
found = find("parquet", path, None, path)
read_bytes(found.entries[0].path, found.entries[0].within)
print(len(found.entries), pyarrow.default_memory_pool().max_memory())
"""


def write_compressed(path, **columns):
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table(columns), path, compression="zstd", store_schema=False)
    return path


def repeated(value, count=200):
    """A column in which a value is stored once."""
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), pa.array([value]))


def test_repeated_values_of_a_small_file_take_little_memory(tmp_path):
    text = "a red bird " * 10_000
    path = write_compressed(tmp_path / "0.parquet", text=repeated(text), jpg=repeated(b"x" * 2**22))
    assert path.stat().st_size < 10_000
    line = [sys.executable, "-c", _READ, str(path)]
    printed = subprocess.run(
        line, env=environment(), capture_output=True, text=True, timeout=300, check=True
    ).stdout
    count, most = map(int, printed.split())
    assert count == 200
    assert most < 2**24


def test_column_that_is_compressed_out_of_all_proportion_is_refused(tmp_path):
    large = 2**25
    picture, text = picture_bytes(tmp_path, 0), "a red bird"
    write_compressed(tmp_path / "0.parquet", text=[text], jpg=[b"\0" * large])
    write_compressed(tmp_path / "1.parquet", text=["a" * large], jpg=[picture])
    (entry,) = find_in("parquet", tmp_path / "0.parquet").entries
    with pytest.raises(ValueError, match="its column `jpg` takes 32 MiB, more than 100 times its"):
        read_bytes(entry.path, entry.within)
    assert reasons(find_in("parquet", tmp_path / "1.parquet")) == {
        "1.parquet, from here on": "its column `text` takes 32 MiB, more than 100 times its file"
    }


def test_without_pyarrow_it_is_told_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "0.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match=r"need the package `pyarrow`: pip install 'dmgan_tf\[parq"):
        find_in("parquet", tmp_path)
