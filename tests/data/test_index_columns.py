"""The index as arrays: kept beside a large index, made again when it has changed."""

import json
from itertools import pairwise

import numpy as np
import pytest

from dmgan_tf.data import encoded_captions, index_columns
from dmgan_tf.data.encoded_captions import encode_all
from dmgan_tf.data.prepared import load_prepared
from dmgan_tf.data.vocabulary import Vocabulary
from dmgan_tf.errors import UserError

COUNT = 40
VOCABULARY = Vocabulary(["<end>", "a", "bird", *map(str, range(COUNT))])
SHARD = "train-00000-of-00001.tfrecord"


def row(i):
    return {
        "name": f"bild é {i}",
        "split": "test" if i % 4 == 3 else "train",
        "class_id": None if i == 2 else i // 8,
        "box": [1.0, 1.0, 4.0, 4.0] if i % 2 else None,
        "captions": [f"a bird {i}\u2028{j}" for j in range(1 + i % 3)],
        "width": 10,
        "height": 8,
        "shard": SHARD,
        "offset": 10 * i,
        "size": 10,
    }


def write(folder, rows):
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    (folder / "index.jsonl").write_text("".join(lines), encoding="utf-8")
    (folder / SHARD).write_bytes(b"x" * 10 * COUNT)
    (folder / "metadata.json").write_text('{"format": 1}')


@pytest.fixture(params=["in memory", "on disk"])
def folder(request, tmp_path, monkeypatch):
    if request.param == "on disk":
        monkeypatch.setattr(index_columns, "_LARGE_BYTES", 0)
    write(tmp_path, map(row, range(COUNT)))
    return tmp_path


def expected(split):
    return [r for r in map(row, range(COUNT)) if r["split"] == split]


def test_rows_are_those_of_the_index_however_often_they_are_read(folder):
    for _ in range(2):
        for split in ("train", "test"):
            found, rows = load_prepared(folder, split), expected(split)
            assert list(found.captions) == [tuple(r["captions"]) for r in rows]
            assert found.captions[-1] == tuple(rows[-1]["captions"])
            assert found.captions[::7] == tuple(tuple(r["captions"]) for r in rows[::7])
            assert list(found.records.names) == [r["name"] for r in rows]
            wanted = [
                -1 - i if r["class_id"] is None else r["class_id"] for i, r in enumerate(rows)
            ]
            assert found.class_ids.tolist() == wanted
            assert found.records.offsets.tolist() == [r["offset"] for r in rows]
            assert found.records.crops.tolist() == [
                [0, 0, 6, 6] if r["box"] else [0, 0, 0, 0] for r in rows
            ]
            with pytest.raises(IndexError):
                found.captions[len(rows)]


def test_words_are_those_of_the_vocabulary(folder):
    other = Vocabulary(["<end>", "bird"])
    for vocabulary in (VOCABULARY, VOCABULARY, other):
        found = load_prepared(folder, "train")
        ids, ends, firsts = encode_all(found, vocabulary)
        rows = [
            [vocabulary.encode(caption)[0] for caption in r["captions"]] for r in expected("train")
        ]
        flat = [words for captions in rows for words in captions]
        assert [ids[a:b].tolist() for a, b in pairwise(ends)] == flat
        assert np.diff(firsts).tolist() == list(map(len, rows))
    with pytest.raises(UserError, match=r"bild é 0: the caption .* has no known word"):
        encode_all(found, Vocabulary(["<end>", "red"]))


def test_large_index_is_read_once_and_again_when_it_has_changed(tmp_path, monkeypatch):
    monkeypatch.setattr(index_columns, "_LARGE_BYTES", 0)
    write(tmp_path, map(row, range(COUNT)))
    encode_all(load_prepared(tmp_path, "train"), VOCABULARY)
    with monkeypatch.context() as patch:
        patch.setattr(index_columns, "_rows", None)
        patch.setattr(encoded_captions, "_encode", None)
        found = load_prepared(tmp_path, "train")
        assert isinstance(found.records.offsets, np.memmap)
        assert isinstance(encode_all(found, VOCABULARY).ids, np.memmap)
    write(tmp_path, (row(i) | {"captions": ["a bird"]} for i in range(COUNT - 4)))
    changed = load_prepared(tmp_path, "train")
    assert list(changed.captions) == [("a bird",)] * len(changed) and len(changed) == 27
    assert encode_all(changed, VOCABULARY).ids.tolist() == [1, 2] * 27
    assert len(list(tmp_path.iterdir())) == 4


def test_words_of_a_large_folder_are_kept_unless_they_are_only_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(index_columns, "_LARGE_BYTES", 0)
    write(tmp_path, map(row, range(COUNT)))
    found = load_prepared(tmp_path, "train")
    before = set(tmp_path.rglob("*"))
    looked_at = encode_all(found, VOCABULARY, keep=False)
    assert set(tmp_path.rglob("*")) == before
    np.testing.assert_array_equal(looked_at.ids, encode_all(found, VOCABULARY).ids)
    assert len(set(tmp_path.rglob("*")) - before) == 3


@pytest.mark.parametrize("kept", [-20, 0])
@pytest.mark.parametrize("damaged", ["columns.json", "train.firsts.npy", "test.caption_ends.npy"])
def test_damaged_columns_are_made_again(tmp_path, monkeypatch, damaged, kept):
    monkeypatch.setattr(index_columns, "_LARGE_BYTES", 0)
    write(tmp_path, map(row, range(COUNT)))
    load_prepared(tmp_path, "train")
    path = tmp_path / "index.columns" / damaged
    path.write_bytes(path.read_bytes()[:kept])
    assert len(load_prepared(tmp_path, "train")) == 30
    assert path.stat().st_size > 0 and index_columns.read_columns(tmp_path / "index.jsonl")


def test_folder_that_cannot_be_written_to_is_read_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(index_columns, "_LARGE_BYTES", 0)
    write(tmp_path, map(row, range(COUNT)))
    (tmp_path / "index.columns").write_text("in the way")  # root may write everywhere
    found = load_prepared(tmp_path, "train")
    assert len(found) == 30 and found.records.stored is None
    assert encode_all(found, VOCABULARY).ends[-1] > 0


def test_columns_that_another_worker_has_made_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(index_columns, "_LARGE_BYTES", 0)
    write(tmp_path, map(row, range(COUNT)))
    rows = index_columns._rows

    def rows_while_another_worker_is_faster(index):
        yield from rows(index)
        with monkeypatch.context() as patch:
            patch.setattr(index_columns, "_rows", rows)
            load_prepared(tmp_path, "train")
        kept.append((tmp_path / "index.columns").stat().st_ino)

    kept = []
    monkeypatch.setattr(index_columns, "_rows", rows_while_another_worker_is_faster)
    assert len(load_prepared(tmp_path, "train")) == 30
    assert [(tmp_path / "index.columns").stat().st_ino] == kept
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("wrong", [{"split": "../evil"}, {"class_id": 2**31}])
def test_row_that_nobody_prepared_is_refused(folder, wrong):
    write(folder, [row(0), row(1) | wrong])
    with pytest.raises(UserError, match="is damaged"):
        load_prepared(folder, "train")
    assert not list(folder.parent.glob("evil*"))
