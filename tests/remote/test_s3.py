"""The same on S3, as moto's server speaks it: in this process, then whole runs as processes."""

import shutil
import signal
import sys

import numpy as np
import pytest
from processes import (
    assert_bit_identical,
    cluster_of,
    command,
    finish_all,
    run,
    start,
    weights,
)
from small_entries import entries, prepare
from small_model import save

from dmgan_tf.data.pipeline import read_pictures
from dmgan_tf.data.prepared import load_prepared
from dmgan_tf.errors import UserError
from dmgan_tf.inference.model_directory import resolve
from dmgan_tf.inference.text_to_image import TextToImage
from dmgan_tf.preparation.entry import Found
from dmgan_tf.preparation.upload import upload
from dmgan_tf.remote import state
from dmgan_tf.remote.run import RemoteRun
from dmgan_tf.remote.store import Store, StoreError

RUN = "s3://bucket/runs/tiny"


def test_pictures_are_read(s3, tmp_path):
    out = tmp_path / "out"
    prepare(Found(entries=entries(tmp_path)), out)
    upload(shutil.copytree(out, tmp_path / "copy"), "s3://bucket/birds")
    assert not (tmp_path / "copy").exists()
    found = [
        read_pictures(load_prepared(p, "train"), np.arange(4), 8)
        for p in (out, "s3://bucket/birds")
    ]
    np.testing.assert_array_equal(*found)


def test_model_draws(s3, tmp_path):
    model = save(tmp_path / "model")
    s3.put(str(model), "bucket/run/model", recursive=True)
    found = TextToImage.from_preset("s3://bucket/run").generate("a red bird", seed=3)
    np.testing.assert_array_equal(found, TextToImage.from_preset(model).generate("a red bird", 3))


def test_two_writers_can_not_make_one_state(s3):
    store = Store(RUN)
    store.create("state-00000001.json", b"first")
    with pytest.raises(FileExistsError):
        store.create("state-00000001.json", b"second")


@pytest.mark.parametrize("url", ["s3://nobody/runs/tiny", RUN])
def test_store_that_refuses_is_told(s3, url, monkeypatch):
    run = RemoteRun(url)
    run.open().mkdir(parents=True)
    (run.path / "config.yaml").write_text("")
    if url == RUN:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        s3.clear_instance_cache()
        run = RemoteRun(url)
    with pytest.raises(UserError, match=f"^{url}: ") as caught:
        run.publish()
    assert len(str(caught.value).splitlines()) == 1 and caught.value.exit_code == 2


def test_store_that_is_not_reached_may_be_tried_again(s3, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    s3.clear_instance_cache()
    with pytest.raises(StoreError, match="Could not connect") as caught:
        resolve(RUN)
    assert caught.value.exit_code == 138


@pytest.mark.slow
def test_run_that_is_killed_while_it_uploads_goes_on_elsewhere(
    s3, s3_server, straight, encoders, tmp_path
):
    s3.put(str(encoders), "bucket/encoders", recursive=True)
    # The first state is the beginning, the second step 3: the objects of step 6 are there, and the
    # state that names them isn't yet.
    s3_server.hold("state-00000003")
    line = command(RUN, "s3://bucket/encoders")
    process = start(line, DMGAN_TF_CACHE=str(tmp_path / "first"))
    assert s3_server.waiting.wait(600)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    s3_server.go_on()
    assert [n for n in Store(RUN).files() if n.startswith("state-")] == ["state-00000002.json"]
    empty = {"DMGAN_TF_CACHE": str(tmp_path / "second")}
    code, _, err = run(line, **empty)
    assert code == 2 and f"{RUN} holds a run already. Use --resume" in err
    resume = [sys.executable, "-m", "dmgan_tf.train", "--resume", "--run-dir", RUN]
    code, out, err = run(resume, **empty)
    assert code == 0, err
    assert "going on after step 3 of 6" in err and f"Trained: {RUN}" in out
    (local,) = (tmp_path / "second").glob("remote/runs/tiny-*/run")
    assert_bit_identical(weights(straight), weights(local))
    # What is there is what is here, and nothing else.
    third = resolve(RUN)
    for path in third.iterdir():
        assert path.read_bytes() == (local / "model" / path.name).read_bytes()
    assert len(Store(RUN).files("objects")) == len(
        {path.read_bytes() for path in local.rglob("*") if path.is_file()}
    )


@pytest.mark.slow
def test_upload_that_fails_is_warned_of_and_at_the_end_an_error(
    s3, s3_server, straight, encoders, tmp_path
):
    s3_server.refused = "state-00000002"
    line = command(RUN, encoders)
    environment = {"DMGAN_TF_CACHE": str(tmp_path / "cache")}
    code, _, err = run(line, **environment)
    assert code == 138, err
    assert err.count("The next checkpoint tries again.") == 2
    last = err.strip().splitlines()[-1]
    (local,) = (tmp_path / "cache").glob("remote/runs/tiny-*/run")
    assert last.endswith(f"The run is whole in {local}: start it again with --resume.")
    s3_server.refused = None
    code, _, err = run([*line, "--resume"], **environment)
    assert code == 0, err
    assert_bit_identical(weights(straight), weights(local))


@pytest.mark.slow
def test_two_workers_that_share_nothing_but_the_store(s3, tmp_path):
    """Encoders first; begun again, the machines have changed places."""

    def train(steps, *caches):
        line = command(RUN, "null", "damsm.directory=null", f"training.steps={steps}", resume=True)
        processes = [
            start(line, TF_CONFIG=config, DMGAN_TF_CACHE=str(tmp_path / cache))
            for config, cache in zip(cluster_of(2), caches, strict=True)
        ]
        finish_all(processes)

    train(3, "a", "b")
    train(6, "b", "a")
    (there,) = (tmp_path / "b").glob("remote/runs/tiny-*/run/checkpoints")
    assert {path.name for path in there.iterdir()} == {"step_00000003", "step_00000006"}


@pytest.mark.slow
def test_signal_while_the_last_checkpoint_is_uploaded_waits_for_it(
    s3, s3_server, encoders, tmp_path
):
    s3_server.hold("state-00000003")  # of the last step
    process = start(command(RUN, encoders), DMGAN_TF_CACHE=str(tmp_path / "cache"))
    assert s3_server.waiting.wait(600)
    process.send_signal(signal.SIGTERM)
    while "saving, then stopping" not in (line := process.stderr.readline()):
        assert line, f"ended with {process.wait()}"
    s3_server.go_on()
    process.communicate(timeout=600)
    assert process.returncode == 128 + signal.SIGTERM
    assert "checkpoints/step_00000006/state.json" in state.newest(Store(RUN)).files
