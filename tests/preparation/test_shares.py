"""Shares of a prepared folder, written apart and joined: the bytes of one machine's."""

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from command_lines import ROOT, call, environment, fail, refuse, succeed
from small_entries import entries
from small_pictures import COLORS, save_picture
from small_samples import samples, write_tar

from dmgan_tf.errors import UserError
from dmgan_tf.preparation import shares, writer
from dmgan_tf.preparation.entry import Found
from dmgan_tf.preparation.plan import plan


@pytest.fixture(scope="module", autouse=True)
def _small_shards():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "PICTURES_PER_SHARD", 2)
        yield


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def planned(folder, **changes):
    """A plan of four shards; not all of its pictures and captions are of use."""
    found = [replace(entry, **changes) for entry in entries(folder, 7)]
    found[3].path.write_bytes(b"<html>")
    found[6] = replace(found[6], captions=("!", "a red bird"))
    return plan(Found(entries=found), "test", None)


@pytest.fixture(scope="module")
def what(tmp_path_factory):
    return planned(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def straight(what, tmp_path_factory):
    """The files that one machine writes."""
    folder = tmp_path_factory.mktemp("straight") / "out"
    writer.write(what, folder, processes=1)
    return files(folder)


@pytest.fixture(scope="module")
def written(what, tmp_path_factory):
    """The folder of two shares; tests copy it."""
    folder = tmp_path_factory.mktemp("shares")
    for number in range(2):
        writer.write_share(what, folder / "out", (number, 2), processes=1)
    return folder


@pytest.fixture
def out(written, tmp_path):
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
    return tmp_path / "out"


def test_more_shares_than_shards_join_to_the_bytes_of_one_machine(what, straight, tmp_path):
    assert len([name for name in straight if name.endswith(".tfrecord")]) == 4
    for number in reversed(range(5)):
        writer.write_share(what, tmp_path / "out", (number, 5), processes=1)
    assert not (tmp_path / "out").exists()
    writer.write(what, tmp_path / "out", merged=5)
    assert files(tmp_path / "out") == straight
    assert not list(tmp_path.glob("out.*"))


def test_joining_that_was_stopped_goes_on_and_looks_at_no_picture(what, straight, out, monkeypatch):
    monkeypatch.setattr(writer, "_write_shard", None)
    stop_joining(what, out, monkeypatch)
    writer.write(what, out, merged=2)
    assert files(out) == straight


def stop_joining(what, out, monkeypatch):
    """A merge that was killed between the two files of a shard."""
    real, moved = shutil.move, []

    def stop(path, target):
        if len(moved) == 3:
            raise KeyboardInterrupt
        moved.append(path)
        return real(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "move", stop)
        with pytest.raises(KeyboardInterrupt):
            writer.write(what, out, merged=2)
    assert not out.exists()


def test_nothing_that_shares_have_written_is_removed_before_they_are_joined(
    what, straight, out, tmp_path, monkeypatch
):
    stop_joining(what, out, monkeypatch)
    monkeypatch.setattr(writer, "_write_shard", None)
    other = planned(tmp_path / "other", class_id=7)
    with pytest.raises(UserError, match="is of other data or other options"):
        writer.write(other, out, merged=2)
    with pytest.raises(TypeError):  # one machine, which would write everything
        writer.write(what, out, processes=1)
    # As an archive that was unpacked again; and elsewhere.
    for entry in what.entries:
        entry.path.touch()
    elsewhere = planned(tmp_path / "elsewhere")
    writer.write(elsewhere, out, merged=2)
    assert files(out) == straight


def test_nothing_is_moved_while_a_share_is_damaged(what, out):
    before = files(shares.folder(out, 0, 2))
    cut = next(shares.folder(out, 1, 2).glob("train-00001*.tfrecord"))
    cut.write_bytes(cut.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"out\.share-1-of-2: is damaged: it lacks train-00001-of-"):
        writer.write(what, out, merged=2)
    assert files(shares.folder(out, 0, 2)) == before


def test_share_that_is_a_link_is_refused(what, out, tmp_path):
    share = shares.folder(out, 1, 2)
    share.symlink_to(share.rename(tmp_path / "away"))
    with pytest.raises(UserError, match=r"out\.share-1-of-2: is a link: move the folder itself"):
        writer.write(what, out, merged=2)
    assert not out.exists()


def test_shares_on_another_disk_are_joined(what, straight, out, monkeypatch, caplog):
    """They are copied; a mounted folder can't be removed, which is told."""
    real_rename, real_rmdir = os.rename, os.rmdir

    def rename(source, target):
        if ".share-" in str(source):
            raise OSError(errno.EXDEV, "Invalid cross-device link", str(source))
        return real_rename(source, target)

    def rmdir(path, **options):
        if ".share-1" in str(path):
            raise OSError(errno.EBUSY, "Device or resource busy", str(path))
        return real_rmdir(path, **options)

    monkeypatch.setattr(os, "rename", rename)
    monkeypatch.setattr(os, "rmdir", rmdir)
    writer.write(what, out, merged=2)
    assert files(out) == straight
    assert "out.share-1-of-2: has been joined and can't be removed: " in caplog.text
    assert not shares.folder(out, 0, 2).exists()


def test_share_that_is_missing_or_damaged_is_named(what, straight, out):
    second = shares.folder(out, 1, 2)
    away = second.rename(second.with_name("away"))
    with pytest.raises(UserError, match=r"out\.share-1-of-2: the share 1/2 is missing. Prepare it"):
        writer.write(what, out, merged=2)
    away.rename(second)
    next(second.glob("train-00001*.tfrecord")).unlink()
    with pytest.raises(UserError, match=r"out\.share-1-of-2: is damaged: it lacks train-00001-of-"):
        writer.write(what, out, merged=2)
    assert not out.exists()
    shutil.rmtree(second)
    writer.write_share(what, out, (1, 2), processes=1)
    writer.write(what, out, merged=2)
    assert files(out) == straight


def test_machines_may_see_the_data_at_other_places(what, straight, out, tmp_path):
    """As where an archive is unpacked on each of them."""
    elsewhere = planned(tmp_path / "elsewhere")
    assert elsewhere.entries[0].path != what.entries[0].path
    writer.write(elsewhere, out, merged=2)
    assert files(out) == straight


def test_share_of_other_data_is_named(out, tmp_path):
    other = planned(tmp_path / "other", class_id=7)
    with pytest.raises(UserError, match=r"out\.share-0-of-2: is of other data or other options"):
        writer.write(other, out, merged=2)


def test_command_lines_of_shares(tmp_path):
    write_tar(tmp_path / "set" / "0.tar", samples(tmp_path, 10))
    options = ("webdataset", tmp_path / "set", "--test-share", 0.4)
    options += ("--max-aspect", 1.6, "--deduplicate")
    one = ("--processes", 1)
    call("prepare_data", *options, *one, "--out", tmp_path / "straight")
    report = json.loads((tmp_path / "straight" / "report.json").read_text())
    thin = {"name": "0/000000009", "reason": "is too thin: 49 × 30 pixels"}
    assert report["left_out"] == [thin]
    out = ("--out", tmp_path / "out")
    line = refuse("prepare_data", *options, *out, "--merge", 2)
    assert "out.share-0-of-2: the share 0/2 is missing. Prepare it with --shard 0/2" in line
    for number in (0, 1, 1):
        printed = call("prepare_data", *options, *one, *out, "--shard", f"{number}/2")
    assert printed.startswith("Prepared before: ")
    assert printed.strip().endswith("out.share-1-of-2")
    line = refuse("prepare_data", *options, *out, "--merge", 2, "--min-side", 30)
    assert "out.share-0-of-2: is of other data or other options than this command's" in line
    call("prepare_data", *options, *out, "--merge", 2)
    assert files(tmp_path / "out") == files(tmp_path / "straight")
    # A job that is tried again after all.
    printed = call("prepare_data", *options, *out, "--shard", "1/2")
    assert printed == f"Prepared before: {tmp_path / 'out'}\n"
    assert not list(tmp_path.glob("out.*"))
    (tmp_path / "other").mkdir()
    line = refuse("prepare_data", *options, "--out", tmp_path / "other", "--shard", "1/2")
    assert line.startswith(f"{tmp_path / 'other'} is there already: name another --out")


@pytest.mark.slow
def test_killed_share_is_done_again_alone(tmp_path):
    folder = tmp_path / "many"
    for i in range(2100):  # five shards
        save_picture(folder / f"{i}.png", list(COLORS)[i % 4])
        (folder / f"{i}.txt").write_text(f"a {list(COLORS)[i % 4]} bird {i % 7}\n")
    (folder / "0.png").write_bytes(b"")
    options = ("folder", folder, "--test-share", "0", "--processes", "1")
    succeed("prepare_data", *options, "--out", tmp_path / "straight")
    out = ("--out", tmp_path / "out")
    line = [sys.executable, "-m", "dmgan_tf.prepare_data", *options, *out, "--shard", "0/2"]
    partial = tmp_path / "out.share-0-of-2.partial"
    with subprocess.Popen(list(map(str, line)), cwd=ROOT, env=environment()) as process:
        while not list(partial.glob("*.tfrecord")) and process.poll() is None:
            time.sleep(0.02)
        process.kill()
    assert process.returncode == -9
    succeed("prepare_data", *options, *out, "--shard", "1/2")
    line = fail("prepare_data", *options[:-2], *out, "--merge", "2")
    assert "the share 0/2 is missing" in line
    first = next(partial.glob("*.tfrecord"))
    stamp = first.stat().st_mtime_ns
    succeed("prepare_data", *options, *out, "--shard", "0/2")
    kept = tmp_path / "out.share-0-of-2" / first.name
    assert kept.stat().st_mtime_ns == stamp
    succeed("prepare_data", *options[:-2], *out, "--merge", "2")
    assert files(tmp_path / "out") == files(tmp_path / "straight")
