"""Whole runs as processes: killed, stopped, resumed, spread over workers, out of disk."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TINY = ROOT / "tests/configs/tiny.yaml"
STEPS = ["training.steps=6", "training.checkpoint_every_steps=3", "training.sample_every_steps=100"]


def command(run_dir, encoders, *overrides, resume=False, module="train"):
    settings = [
        f"damsm.directory={encoders}",
        *STEPS,
        "training.evaluate_every_epochs=100",
        *overrides,
    ]
    line = [sys.executable, "-m", f"dmgan_tf.{module}", "--config", str(TINY)]
    line += ["--run-dir", str(run_dir)] + [w for s in settings for w in ("--set", s)]
    return line + (["--resume"] if resume else [])


def start(line, **environment):
    variables = {"CUDA_VISIBLE_DEVICES": "-1"} | os.environ | environment
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(line, env=variables, cwd=ROOT, **pipes)


def run(line, **environment):
    process = start(line, **environment)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def wait_for(path, process, seconds=120):
    end = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.001)


def wait_for_step_2(run_dir, process):
    while "step 2 " not in (run_dir / "train.log").read_text():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)


def weights(run_dir, name="generator"):
    found = {}
    with h5py.File(run_dir / "model" / f"{name}.weights.h5") as file:
        file.visititems(
            lambda path, item: (
                found.update({path: item[()]}) if isinstance(item, h5py.Dataset) else None
            )
        )
    return found


def assert_bit_identical(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], name)


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    directory = tmp_path_factory.mktemp("encoders")
    shutil.rmtree(directory)
    code, _, err = run(command(directory, "null", "damsm.directory=null", module="pretrain_damsm"))
    assert code == 0, err
    return directory / "model"


@pytest.fixture(scope="module")
def straight(tmp_path_factory, encoders):
    """The folder of six steps without interruption."""
    directory = tmp_path_factory.mktemp("runs") / "straight"
    code, _, err = run(command(directory, encoders))
    assert code == 0, err
    return directory


def test_killed_and_resumed_run_ends_bit_identical(straight, encoders, tmp_path):
    # One checkpoint after step 3 of a run too long to end by itself before the kill.
    process = start(command(tmp_path / "run", encoders))
    wait_for(tmp_path / "run/checkpoints/step_00000003", process)
    process.kill()
    process.communicate()
    assert not (tmp_path / "run/checkpoints/step_00000006").exists()
    # The run knows its config.
    resume = "--resume", "--run-dir", str(tmp_path / "run")
    code, _, err = run([sys.executable, "-m", "dmgan_tf.train", *resume])
    assert code == 0, err
    assert "going on after step 3 of 6" in err
    assert_bit_identical(weights(straight), weights(tmp_path / "run"))


def test_killed_pretraining_ends_bit_identical(encoders, tmp_path):
    settings = ["damsm.directory=null", "training.checkpoint_every_steps=1"]
    line = command(tmp_path / "run", "null", *settings, module="pretrain_damsm")
    process = start(line)
    wait_for(tmp_path / "run/checkpoints/step_00000001", process)
    process.kill()
    process.communicate()
    code, _, err = run([*line, "--resume"])
    assert code == 0, err
    for name in ("text_encoder", "image_encoder"):
        there, here = weights(encoders.parent, name), weights(tmp_path / "run", name)
        assert_bit_identical(there, here)


def test_damaged_checkpoint_is_passed_over_on_resume(straight, encoders, tmp_path):
    copy = shutil.copytree(straight, tmp_path / "run")
    data = copy / "checkpoints/step_00000006/variables.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:100])
    code, _, err = run(command(copy, encoders, resume=True))
    assert code == 0, err
    assert "step_00000006 is damaged" in err
    assert_bit_identical(weights(straight), weights(copy))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_saves_before_it_stops(encoders, tmp_path, number):
    many = ["training.steps=100000", "training.checkpoint_every_steps=100000"]
    process = start(command(tmp_path / "run", encoders, *many))
    wait_for(tmp_path / "run/tensorboard", process)
    wait_for_step_2(tmp_path / "run", process)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 128 + number, err
    assert "go on with --resume" in out
    (saved,) = (tmp_path / "run/checkpoints").iterdir()
    assert json.loads((saved / "state.json").read_text())["step"] >= 2


def test_loss_that_is_not_finite_stops_the_run(encoders, tmp_path):
    steps = ["training.steps=40", "training.checkpoint_every_steps=10"]
    rate = ["training.generator_learning_rate=1e30"]
    code, _, err = run(command(tmp_path / "run", encoders, *steps, *rate))
    assert code == 2
    assert "error: Step " in err and "became nan" in err
    assert "Last good checkpoint: none yet" in err
    assert "Traceback" not in err


def cluster_of_two():
    """`TF_CONFIG` of two workers on this machine."""
    ports = []
    for _ in range(2):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    return [
        json.dumps({"cluster": cluster, "task": {"type": "worker", "index": i}}) for i in (0, 1)
    ]


def finish_all(processes):
    for process in processes:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err


def test_two_workers_stay_equal_to_each_other_and_to_one_process(tmp_path):
    line = [sys.executable, str(ROOT / "tests/training/worker.py")]
    path = {"PYTHONPATH": str(ROOT)}
    processes = [start([*line, str(tmp_path / "alone.npz")], **path)]
    for i, cluster in enumerate(cluster_of_two()):
        processes.append(start([*line, str(tmp_path / f"{i}.npz")], TF_CONFIG=cluster, **path))
    finish_all(processes)
    alone, first, second = (np.load(tmp_path / f"{name}.npz") for name in ("alone", "0", "1"))
    assert len(alone.files) == len(first.files) > 50
    for name in alone.files:
        np.testing.assert_array_equal(first[name], second[name], name)
        np.testing.assert_allclose(first[name], alone[name], rtol=1e-4, atol=5e-5, err_msg=name)


def test_two_workers_pretrain_and_train_into_one_run_folder(tmp_path):
    line = command(tmp_path / "run", "null", "training.evaluation_images=12")
    finish_all([start(line, TF_CONFIG=cluster) for cluster in cluster_of_two()])
    assert weights(tmp_path / "run/damsm", "text_encoder")
    assert (tmp_path / "run/damsm/best/metadata.json").exists()  # the chief alone scores
    assert sorted(p.name for p in (tmp_path / "run/checkpoints").iterdir()) == [
        "step_00000003",
        "step_00000006",
    ]
    assert weights(tmp_path / "run")


def test_signal_to_one_worker_stops_all_and_saves(encoders, tmp_path):
    many = ["training.steps=100000", "training.checkpoint_every_steps=100000"]
    line = command(tmp_path / "run", encoders, *many)
    processes = [start(line, TF_CONFIG=cluster) for cluster in cluster_of_two()]
    wait_for(tmp_path / "run/tensorboard", processes[0])
    wait_for_step_2(tmp_path / "run", processes[0])
    processes[1].send_signal(signal.SIGTERM)
    for process in processes:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 128 + signal.SIGTERM, err
    assert len(list((tmp_path / "run/checkpoints").iterdir())) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_full_disk_is_told_and_leaves_the_last_checkpoint_whole(encoders, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        many = ["training.steps=60", "training.keep_checkpoints=50"]
        code, _, err = run(command(disk / "run", encoders, *many))
        assert code == 2, err
        assert "The disk is full" in err
        assert "Traceback" not in err
        saved = list((disk / "run/checkpoints").iterdir())
        assert saved and not [path for path in saved if path.suffix == ".partial"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)
