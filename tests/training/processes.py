"""Training as processes: started, waited for, spread over workers, and what they leave."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

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
    out, err = process.communicate(timeout=600)
    return process.returncode, out, err


def wait_for(path, process, seconds=600):
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


def cluster_of(count, hosts=None):
    """`TF_CONFIG` of each worker; by default all are on this machine."""
    addresses = []
    for number in range(count):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        addresses.append(f"{hosts[number] if hosts else '127.0.0.1'}:{port}")
    return [
        json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": i}})
        for i in range(count)
    ]


def finish_all(processes):
    for process in processes:
        _, err = process.communicate(timeout=600)
        assert process.returncode == 0, err


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    directory = tmp_path_factory.mktemp("encoders") / "run"
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
