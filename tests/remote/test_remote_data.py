"""A prepared folder on a store: read as a local one, a shard when it is first wanted."""

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from command_lines import call, refuse
from small_entries import entries, prepare

from dmgan_tf.data.pipeline import read_pictures
from dmgan_tf.data.prepared import load_prepared, load_prepared_vocabulary
from dmgan_tf.errors import UserError
from dmgan_tf.evaluation.pictures import Real
from dmgan_tf.preparation.entry import Found

URL = "memory://bucket/birds"


@pytest.fixture
def local(tmp_path):
    prepare(Found(entries=entries(tmp_path)), tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture
def remote(memory, local):
    memory.put(str(local), "/bucket/birds", recursive=True)
    return memory


def shards(cache):
    return sorted(path.name for path in cache.rglob("*.tfrecord"))


def test_remote_folder_is_read_as_the_local_one(remote, local, cache):
    here, there = (load_prepared(place, "train") for place in (local, URL))
    assert there.captions == here.captions and there.records.names == here.records.names
    assert shards(cache) == []
    pictures = (read_pictures(found, np.arange(4), 8) for found in (here, there))
    np.testing.assert_array_equal(*pictures)
    assert shards(cache) == ["train-00000-of-00001.tfrecord"]  # that of the test split is not here
    assert load_prepared_vocabulary(URL).words == load_prepared_vocabulary(local).words


def test_real_pictures_of_a_remote_folder_are_known_again_as_the_local_ones(remote, local):
    here, there = (Real(load_prepared(d, "train"), 8, 1.0) for d in (local, URL))
    assert here.fingerprint == there.fingerprint
    np.testing.assert_array_equal(here.read(0, 2), there.read(0, 2))


def test_shard_is_fetched_once_by_all_threads(remote, monkeypatch):
    fetched = []
    get = remote.get_file
    monkeypatch.setattr(remote, "get_file", lambda *a, **o: (fetched.append(a), get(*a, **o)))
    records = load_prepared(URL, "train").records
    fetched.clear()
    threads = [threading.Thread(target=records.remote.fetch, args=records.files) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fetched) == 1
    records = load_prepared(URL, "train").records  # as another process
    records.remote.fetch(records.files[0])
    assert len(fetched) == 1


def test_what_a_killed_fetch_left_is_removed_by_the_next(remote, cache):
    records = load_prepared(URL, "train").records
    left = Path(f"{records.files[0]}.0123abcd.partial")
    left.write_bytes(b"a part")
    records.remote.fetch(records.files[0])
    assert Path(records.files[0]).is_file() and not left.exists()


def test_folder_that_has_changed_is_fetched_anew(remote, cache):
    before = load_prepared(URL, "train")
    read_pictures(before, np.arange(1), 8)
    index = remote.cat("/bucket/birds/index.jsonl").replace(b"a red bird", b"a odd bird")
    remote.pipe("/bucket/birds/index.jsonl", index)
    after = load_prepared(URL, "train")
    assert after.captions[0] == ("a odd bird", "number 0")
    assert Path(before.records.files[0]).parent != Path(after.records.files[0]).parent


def test_shard_that_has_changed_meanwhile_is_refused(remote, cache):
    records = load_prepared(URL, "train").records
    remote.pipe("/bucket/birds/train-00000-of-00001.tfrecord", b"other")
    with pytest.raises(UserError, match="tfrecord is damaged there"):
        records.remote.fetch(records.files[0])
    remote.rm("/bucket/birds/train-00000-of-00001.tfrecord")
    with pytest.raises(UserError, match="has changed since it was opened"):
        records.remote.fetch(records.files[0])
    assert shards(cache) == []


def test_file_that_was_replaced_by_one_of_its_size_is_refused(remote, cache, monkeypatch):
    records = load_prepared(URL, "train").records
    shard = "/bucket/birds/train-00000-of-00001.tfrecord"
    remote.pipe(shard, remote.cat(shard)[::-1])
    with pytest.raises(UserError, match="has changed since it was opened"):
        records.remote.fetch(records.files[0])
    assert shards(cache) == []
    get = remote.get_file

    def changing(name, path, **options):
        remote.pipe(name, remote.cat(name))
        return get(name, path, **options)

    monkeypatch.setattr(remote, "get_file", changing)
    with pytest.raises(UserError, match="has changed since it was opened"):
        load_prepared(URL, "train")


def test_versions_that_nobody_uses_are_removed(remote):
    folders = []
    for _ in range(3):
        remote.pipe("/bucket/birds/metadata.json", remote.cat("/bucket/birds/metadata.json"))
        folders.append(load_prepared(URL, "train").records.remote.folder)
    month_ago = time.time() - 31 * 24 * 3600
    os.utime(folders[0], (month_ago, month_ago))
    assert load_prepared(URL, "train").records.remote.folder == folders[2]
    assert [folder.is_dir() for folder in folders] == [False, True, True]
    os.utime(folders[2], (month_ago, month_ago))  # but it is used again
    load_prepared(URL, "train")
    load_prepared(URL, "train")
    assert {p for p in folders[2].parent.iterdir() if p.is_dir()} == set(folders[1:])


def test_folder_without_metadata_is_none(remote):
    remote.rm("/bucket/birds/metadata.json")
    with pytest.raises(UserError, match="memory://bucket/birds: is no prepared folder"):
        load_prepared(URL, "train")


def test_shard_that_is_missing_is_told_at_the_start(remote):
    remote.rm("/bucket/birds/train-00000-of-00001.tfrecord")
    with pytest.raises(UserError, match="tfrecord is missing"):
        load_prepared(URL, "train")


def pictures(tmp_path):
    for entry in entries(tmp_path):
        entry.path.with_suffix(".txt").write_text("\n".join(entry.captions))
    return tmp_path / "files"


def test_prepare_data_writes_what_it_writes_locally(memory, tmp_path, cache):
    source = "folder", pictures(tmp_path), "--processes", 1, "--min-side", 16
    call("prepare_data", *source, "--out", tmp_path / "here")
    printed = call("prepare_data", *source, "--out", URL)
    assert printed.endswith(f"Uploaded: {URL}\n")
    written = {p.name: p.read_bytes() for p in (tmp_path / "here").iterdir()}
    assert written == {n.rpartition("/")[2]: memory.cat(n) for n in memory.find("/bucket/birds")}
    assert not list(cache.rglob("*.tfrecord"))
    assert refuse("prepare_data", *source, "--out", URL).startswith(f"{URL} is there already")


def test_upload_that_fails_leaves_no_prepared_folder_and_goes_on(memory, tmp_path, monkeypatch):
    source = "folder", pictures(tmp_path), "--processes", 1, "--out", URL
    put = memory.put_file

    def failing(path, name, **options):
        if name.endswith("vocabulary.json"):
            raise OSError("the network is gone")
        return put(path, name, **options)

    monkeypatch.setattr(memory, "put_file", failing)
    assert "the same command uploads it" in refuse("prepare_data", *source)
    assert not memory.exists("/bucket/birds/metadata.json")
    monkeypatch.setattr(memory, "put_file", put)
    # Without the pictures: they are not looked at again.
    for path in (tmp_path / "files").iterdir():
        path.unlink()
    before, uploaded = call("prepare_data", *source).splitlines()
    assert before.startswith("Prepared before: ")
    assert uploaded == f"Uploaded: {URL}"
    assert len(load_prepared(URL, "train").captions) > 0


@pytest.mark.parametrize("option", [("--shard", "0/2"), ("--merge", "2")])
def test_shares_are_local(option, capsys):
    with pytest.raises(SystemExit):
        call("prepare_data", "folder", ".", "--out", URL, *option)
    assert "written and joined in local folders" in capsys.readouterr().err
