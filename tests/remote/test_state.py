"""States of a folder on a store: whole or not there, and what a stranger's may not name."""

import json
import os
import subprocess
import sys

import pytest

from dmgan_tf.errors import UserError
from dmgan_tf.remote import state
from dmgan_tf.remote.run import RemoteRun
from dmgan_tf.remote.store import Store, StoreError

URL = "memory://bucket/runs/cub"


def begin(text="one"):
    run = RemoteRun(URL)
    run.open()
    write(run, "config.yaml", text)
    return run


def write(run, name, text):
    path = run.path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*.*")}


def on_another_machine(monkeypatch, tmp_path, name="other"):
    monkeypatch.setenv("DMGAN_TF_CACHE", str(tmp_path / name))
    run = RemoteRun(URL)
    run.open()
    return run


def test_state_comes_back_as_it_was(memory, monkeypatch, tmp_path):
    run = begin()
    write(run, "checkpoints/step_00000003/state.json", "3")
    write(run, "model.partial/a.txt", "not whole")
    write(run, ".model.replaced/a.txt", "old")
    run.publish()
    other = on_another_machine(monkeypatch, tmp_path)
    assert contents(other.path) == {
        "config.yaml": "one",
        "checkpoints/step_00000003/state.json": "3",
    }


def test_state_before_is_removed_and_what_stays_is_not_sent_again(memory):
    run = begin()
    write(run, "a.txt", "first")
    run.publish()
    before = {name: file.modified for name, file in memory.store.items() if "/objects/" in name}
    (run.path / "a.txt").unlink()
    write(run, "b.txt", "second")
    run.publish()
    names = [name.rpartition("/")[2] for name in memory.store]
    assert [n for n in names if n.startswith("state-")] == ["state-00000002.json"]
    after = {name: file.modified for name, file in memory.store.items() if "/objects/" in name}
    assert len(before) == len(after) == 2 and len(before.keys() & after.keys()) == 1
    assert all(before[name] == after[name] for name in before.keys() & after.keys())


def test_nothing_is_written_where_nothing_changed(memory):
    run = begin()
    run.publish()
    before = dict(memory.store)
    run.publish()
    assert before == memory.store


@pytest.mark.parametrize("calls", range(1, 6))
def test_upload_that_fails_anywhere_leaves_a_whole_state(memory, monkeypatch, tmp_path, calls):
    """The store fails from a call that changes something on; another machine sees old or new."""
    run = begin()
    write(run, "a.txt", "first")
    run.publish()
    write(run, "a.txt", "second")
    write(run, "b.txt", "third")
    left = [calls]

    def failing(method):
        def call(*arguments, **options):
            left[0] -= 1
            if left[0] <= 0:
                raise OSError("the network is gone")
            return method(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        for name in ("put_file", "pipe_file", "rm_file"):
            patch.setattr(memory, name, failing(getattr(memory, name)))
        with pytest.raises(StoreError, match="the network is gone"):
            run.publish()
    with monkeypatch.context() as patch:
        seen = contents(on_another_machine(patch, tmp_path).path)
    old = {"config.yaml": "one", "a.txt": "first"}
    assert seen == (old if calls < 4 else old | {"a.txt": "second", "b.txt": "third"})
    run.publish()
    with monkeypatch.context() as patch:
        seen = contents(on_another_machine(patch, tmp_path).path)
    assert seen == {"config.yaml": "one", "a.txt": "second", "b.txt": "third"}
    states = [name for name in memory.store if "state-" in name]
    objects = [name for name in memory.store if "/objects/" in name]
    assert len(states) == 1 and len(objects) == 3


def test_files_that_are_replaced_meanwhile_are_of_one_moment(memory, monkeypatch, tmp_path):
    run = begin()
    for name in ("best/a.txt", "best/b.txt"):
        write(run, name, "first")
    link = os.link

    def replacing(*arguments):
        monkeypatch.setattr(os, "link", link)
        link(*arguments)
        (run.path / "best").rename(run.path / ".best.replaced")
        for name in ("best/a.txt", "best/b.txt"):
            write(run, name, "second")

    monkeypatch.setattr(os, "link", lambda a, b: (replacing if "best" in str(a) else link)(a, b))
    run.publish()
    found = contents(on_another_machine(monkeypatch, tmp_path).path)
    assert found["best/a.txt"] == found["best/b.txt"]


def test_upload_that_is_killed_leaves_no_files_behind(memory, cache):
    code = (
        "import os, fsspec; from dmgan_tf.remote.run import RemoteRun\n"
        "fsspec.filesystem('memory').put_file = lambda *a, **o: os._exit(9)\n"
        f"run = RemoteRun('{URL}'); run.open().mkdir()\n"
        "(run.path / 'config.yaml').write_text('one'); run.publish()"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    run = RemoteRun(URL)
    run.publish()
    assert {p.name for p in run.path.parent.iterdir()} == {"run", "known.json", "lock"}


def test_copy_that_came_after_the_state_is_gone_on_with(memory):
    run = begin()
    run.publish()
    write(run, "a.txt", "not uploaded")
    assert contents(RemoteRun(URL).open()) == {"config.yaml": "one", "a.txt": "not uploaded"}


def test_copy_that_another_machine_has_overtaken_is_replaced(memory, monkeypatch, tmp_path):
    run = begin()
    run.publish()
    write(run, "a.txt", "lost")
    with monkeypatch.context() as patch:
        other = on_another_machine(patch, tmp_path)
        write(other, "b.txt", "went on")
        other.publish()
    assert contents(RemoteRun(URL).open()) == {"config.yaml": "one", "b.txt": "went on"}


def test_second_writer_is_refused(memory, monkeypatch, tmp_path):
    first = begin()
    first.publish()
    second = on_another_machine(monkeypatch, tmp_path)
    write(second, "a.txt", "second")
    write(first, "a.txt", "first")
    second.publish()
    with pytest.raises(UserError, match="another run has written there") as caught:
        first.publish()
    assert not isinstance(caught.value, StoreError)


def test_second_writer_is_refused_in_the_last_moment(memory, monkeypatch, tmp_path):
    """Both have looked before either writes."""
    first = begin()
    first.publish()
    with monkeypatch.context() as patch:
        second = on_another_machine(patch, tmp_path)
    write(second, "a.txt", "second")
    write(first, "b.txt", "first")
    create = Store.create

    def slow(store, name, content):
        monkeypatch.setattr(Store, "create", create)
        second.publish()
        create(store, name, content)

    monkeypatch.setattr(Store, "create", slow)
    with pytest.raises(UserError, match="another run has written there"):
        first.publish()
    assert state.newest(Store(URL)).files.keys() == {"config.yaml", "a.txt"}


def test_state_that_was_replaced_in_the_last_moment_is_of_another_writer(memory, monkeypatch):
    run = begin()

    def replaced(*arguments, **options):
        raise FileExistsError

    monkeypatch.setattr(memory, "pipe_file", replaced)  # and it is gone when it is to be read
    with pytest.raises(UserError, match="another run has written there"):
        run.publish()


def test_worker_that_does_not_write_sees_nothing_but_the_store(memory, monkeypatch):
    run = begin()
    run.publish()
    write(run, "a.txt", "not uploaded")
    cluster = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    assert contents(RemoteRun(URL).open()) == {"config.yaml": "one"}


def test_run_that_is_gone_is_told(memory):
    run = begin()
    run.publish()
    memory.store.clear()
    with pytest.raises(UserError, match="the run is gone"):
        run.open()


def test_run_that_was_copied_there_is_refused(memory):
    memory.pipe("/bucket/runs/cub/config.yaml", b"")
    with pytest.raises(UserError, match="holds a run that was copied there"):
        RemoteRun(URL).open()


def test_object_that_is_damaged_is_told(memory, monkeypatch, tmp_path):
    begin().publish()
    (name,) = (n for n in memory.store if "/objects/" in n)
    memory.pipe(name, b"eno")
    with pytest.raises(UserError, match="is damaged there"):
        on_another_machine(monkeypatch, tmp_path)
    assert not list((tmp_path / "other").rglob("config.yaml"))


def test_state_that_is_cut_short_is_passed_over(memory, monkeypatch, tmp_path):
    begin().publish()
    memory.pipe("/bucket/runs/cub/state-00000002.json", b'{"format": 1, "fi')
    assert contents(on_another_machine(monkeypatch, tmp_path).path) == {"config.yaml": "one"}


@pytest.mark.parametrize(
    "files",
    [
        {"../../evil": [3, "0" * 64]},
        {"/evil": [3, "0" * 64]},
        {"a": [3, "../../secret"]},
        {"a": ["3", "0" * 64]},
        {"a": [3]},
        ["a"],
    ],
)
def test_strangers_state_that_names_other_places_is_damaged(memory, files):
    text = json.dumps({"format": 1, "files": files}).encode()
    memory.pipe("/bucket/runs/cub/state-00000001.json", text)
    with pytest.raises(UserError, match="is damaged there"):
        RemoteRun(URL).open()


def test_state_of_another_format_is_told(memory):
    memory.pipe("/bucket/runs/cub/state-00000001.json", b'{"format": 2, "files": {}}')
    with pytest.raises(UserError, match="format 2, not 1"):
        RemoteRun(URL).open()
