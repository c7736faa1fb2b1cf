"""A run's folder on a store: begun, gone on with elsewhere, refused; and data that can't be had."""

import logging
from pathlib import Path

import pytest
from small_entries import entries, prepare

from dmgan_tf import experiment
from dmgan_tf.config_file import load_config
from dmgan_tf.errors import UserError
from dmgan_tf.preparation.entry import Found
from dmgan_tf.remote import state
from dmgan_tf.remote.run import RemoteRun
from dmgan_tf.remote.store import Store, StoreError
from dmgan_tf.training.run_folder import RunFolder, settle

TINY = Path(__file__).parents[1] / "configs" / "tiny.yaml"
RUN = Path("memory://bucket/runs/tiny")  # pathlib makes one slash of two
URL = "memory://bucket/runs/tiny"


def begin(resume=False, *settings):
    with RunFolder(load_config(TINY, settings), RUN, resume) as folder:
        return folder


def on_another_machine(monkeypatch, tmp_path):
    monkeypatch.setenv("DMGAN_TF_CACHE", str(tmp_path / "other"))


def test_run_is_claimed_at_its_beginning(memory, monkeypatch, tmp_path):
    begin()
    assert state.newest(Store(URL)).files.keys() == {"config.yaml", "run.json"}
    on_another_machine(monkeypatch, tmp_path)
    with pytest.raises(UserError, match=f"^{URL} holds a run already"):
        begin()
    begin(resume=True)


def test_run_of_another_config_is_refused_by_its_url(memory):
    begin()
    with pytest.raises(UserError, match=f"^{URL} is the run of another config: training.seed"):
        begin(True, "training.seed=3")


def test_store_that_can_not_be_written_is_told_at_once(memory, monkeypatch, cache):
    def refuse(*arguments, **options):
        raise PermissionError("Access Denied")

    monkeypatch.setattr(memory, "put_file", refuse)
    with pytest.raises(StoreError, match="Access Denied") as caught:
        begin()
    assert caught.value.exit_code == 2
    assert not list(cache.rglob("config.yaml"))  # or the next start would find a run


def test_upload_that_fails_is_a_warning_and_at_the_end_an_error(memory, monkeypatch, caplog):
    folder = begin()
    (folder.path / "a.txt").write_text("a")

    def fail(*arguments, **options):
        raise OSError("the network is gone")

    with monkeypatch.context() as patch:
        patch.setattr(memory, "put_file", fail)
        with caplog.at_level(logging.WARNING, "dmgan_tf"):
            folder.publish()
        assert "the network is gone The next checkpoint tries again." in caplog.text
        with pytest.raises(StoreError, match=f"The run is whole in {folder.path}") as caught:
            folder.publish(last=True)
        assert caught.value.exit_code == 138
    folder.publish()
    assert "a.txt" in state.newest(Store(URL)).files


def test_another_run_there_ends_this_one(memory, monkeypatch, tmp_path):
    folder = begin()
    with monkeypatch.context() as patch:
        on_another_machine(patch, tmp_path)
        (begin(resume=True).path / "a.txt").write_text("a")
        RemoteRun(RUN).publish()
    (folder.path / "b.txt").write_text("b")
    with pytest.raises(UserError, match="another run has written there"):
        folder.publish()


def test_chief_uploads_what_an_earlier_start_had_not(memory, strategy):
    (begin().path / "a.txt").write_text("a")
    settle(RUN, strategy)
    assert "a.txt" in state.newest(Store(URL)).files


def test_local_run_is_not_uploaded(memory, tmp_path, strategy):
    settle(tmp_path / "run", strategy)
    with RunFolder(load_config(TINY), tmp_path / "run", resume=False) as folder:
        folder.publish(last=True)
    assert not memory.store


def test_shard_that_can_not_be_had_ends_training_with_one_line(
    memory, monkeypatch, tmp_path, strategy
):
    prepare(Found(entries=entries(tmp_path, count=10, captions=("a red bird",))), tmp_path / "out")
    memory.put(str(tmp_path / "out"), "/bucket/birds", recursive=True)
    get = memory.get_file

    def fail(name, path, **options):
        if name.endswith(".tfrecord"):
            raise OSError("the network is gone")
        return get(name, path, **options)

    monkeypatch.setattr(memory, "get_file", fail)
    settings = "data.source=prepared", "data.directory=memory://bucket/birds", "damsm.steps=1"
    with pytest.raises(StoreError, match=r"^memory://bucket/birds: OSError: the network is gone$"):
        experiment.pretrain(load_config(TINY, settings), tmp_path / "run", strategy)
