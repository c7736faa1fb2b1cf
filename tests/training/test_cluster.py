"""Several workers as processes: equal, stopped, lost one by one, and more or fewer of them."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import uuid

import numpy as np
import pytest
from processes import (
    ROOT,
    assert_bit_identical,
    cluster_of,
    command,
    finish_all,
    start,
    wait_for,
    wait_for_step_2,
    weights,
)
from scheduler import exit_code, run_job

pytestmark = pytest.mark.slow
STEPS = ["training.steps=12", "training.checkpoint_every_steps=2", "training.evaluation_images=12"]
PATH = {"PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """The folder of two workers' twelve steps without interruption, encoders first."""
    directory = tmp_path_factory.mktemp("runs") / "straight"
    line = command(directory, "null", *STEPS)
    finish_all([start(line, TF_CONFIG=cluster) for cluster in cluster_of(2)])
    return directory


def test_two_workers_pretrain_and_train_into_one_run_folder(straight):
    assert weights(straight / "damsm", "text_encoder")
    assert (straight / "damsm/best/metadata.json").exists()  # the chief alone scores
    saved = sorted(path.name for path in (straight / "checkpoints").iterdir())
    assert saved == ["step_00000008", "step_00000010", "step_00000012"]
    assert weights(straight)


def test_signal_to_one_worker_stops_all_and_saves(straight, tmp_path):
    many = ["training.steps=100000", "training.checkpoint_every_steps=100000"]
    line = command(tmp_path / "run", straight, *many)
    processes = [start(line, TF_CONFIG=cluster) for cluster in cluster_of(2)]
    wait_for(tmp_path / "run/tensorboard", processes[0])
    wait_for_step_2(tmp_path / "run", processes[0])
    processes[1].send_signal(signal.SIGTERM)
    for process in processes:
        _, err = process.communicate(timeout=600)
        assert process.returncode == 128 + signal.SIGTERM, err
    assert len(list((tmp_path / "run/checkpoints").iterdir())) == 1


def test_job_that_loses_workers_goes_on_by_itself_to_the_same_weights(straight, tmp_path):
    line = command(tmp_path / "run", straight, *STEPS, resume=True)
    checkpoints, newest = tmp_path / "run/checkpoints", []

    def begin(attempt):
        newest.append(max(checkpoints.glob("step_*"), default=checkpoints).name)
        workers = [start(line, TF_CONFIG=cluster) for cluster in cluster_of(2)]
        if attempt < 2:
            step = (0, int(newest[-1].removeprefix("step_")))[attempt] + 2
            wait_for(checkpoints / f"step_{step:08d}", workers[0])
            workers[1].send_signal((signal.SIGKILL, signal.SIGTERM)[attempt])
        errors.append([worker.communicate(timeout=600)[1] for worker in workers])
        return workers

    errors = []
    assert run_job(begin, attempts=4) == [[138, 137], [143, 143], [0, 0]], errors
    assert "Another worker was lost" in errors[0][0]
    for number in (1, 2):  # nothing was lost but the steps since the last checkpoint
        step = int(newest[number].removeprefix("step_"))
        assert f"going on after step {step} of 12" in errors[number][0]
    assert_bit_identical(weights(straight), weights(tmp_path / "run"))


def test_typo_is_not_tried_again(tmp_path):
    line = command(tmp_path / "run", "null", "training.stepz=6")
    assert run_job(lambda _: [start(line), start(line)], attempts=3) == [[2, 2]]


def peers(*arguments, prefixes=((), ()), hosts=None):
    """Two workers of peer.py, when both have done some steps. Args: prefixes: of their commands."""
    line = [sys.executable, str(ROOT / "tests/training/peer.py")]
    workers = [
        start([*prefix, *line, *arguments[i]], TF_CONFIG=cluster, **PATH)
        for i, (prefix, cluster) in enumerate(zip(prefixes, cluster_of(2, hosts), strict=True))
    ]
    for worker in workers:
        assert worker.stdout.readline() == "going\n", worker.communicate()[1]
    return workers


@pytest.mark.parametrize(("number", "victim"), [(signal.SIGKILL, 1), (signal.SIGSTOP, 0)])
def test_worker_that_is_killed_or_stands_still_ends_the_other(number, victim):
    workers = peers(("3600",), ("3600",))
    workers[victim].send_signal(number)
    assert exit_code(workers[1 - victim]) == 138
    workers[victim].kill()
    assert "error: Another worker was lost" in workers[1 - victim].communicate()[1]


def test_worker_that_hangs_alive_ends_all_after_the_time_of_a_step():
    workers = peers(("30",), ("30", "20"))  # seconds; the step after which it hangs
    assert [exit_code(worker) for worker in workers] == [138, 138]
    assert "error: no step was done in 30.0 s." in workers[0].communicate()[1]


@contextlib.contextmanager
def two_machines():
    """Two network namespaces and a cable: the commands to run in each."""
    tag = uuid.uuid4().hex[:6]
    names = [f"dmgan-{tag}-{i}" for i in (0, 1)]

    def ip(*words):
        subprocess.run(["ip", *words], check=True, capture_output=True)

    try:
        for name in names:
            ip("netns", "add", name)
        ends = [f"d{tag}{i}" for i in (0, 1)]
        ip("link", "add", ends[0], "netns", names[0], "type", "veth", "peer", "name", ends[1],
           "netns", names[1])  # fmt: skip
        for i, (name, end) in enumerate(zip(names, ends, strict=True)):
            ip("-n", name, "address", "add", f"10.77.0.{i + 1}/24", "dev", end)
            for link in ("lo", end):
                ip("-n", name, "link", "set", link, "up")
        yield (
            [["ip", "netns", "exec", name] for name in names],
            lambda: ip("-n", names[1], "link", "set", ends[1], "down"),
        )
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("ip"), reason="network namespaces need root and iproute2"
)
def test_cut_network_ends_both_workers():
    with two_machines() as (prefixes, cut):
        workers = peers(("3600",), ("3600",), prefixes=prefixes, hosts=("10.77.0.1", "10.77.0.2"))
        cut()
        assert [exit_code(worker) for worker in workers] == [138, 138]


def test_more_and_fewer_workers_between_restarts_change_nothing(tmp_path):
    line = [sys.executable, str(ROOT / "tests/training/worker.py")]
    checkpoints = str(tmp_path / "checkpoints")

    def train(count, last_step):
        """Weights of each of so many workers after that step, with which they went on."""
        files = [tmp_path / f"{count}_{i}.npz" for i in range(count)]
        ends = str(last_step), checkpoints
        finish_all(
            [
                start([*line, str(file), *ends], TF_CONFIG=cluster, **PATH)
                for file, cluster in zip(files, cluster_of(count), strict=True)
            ]
        )
        found = [np.load(file) for file in files]
        for other in found[1:]:
            for name in found[0].files:
                np.testing.assert_array_equal(found[0][name], other[name], name)
        return found[0]

    finish_all([start([*line, str(tmp_path / "alone.npz"), "3"], **PATH)])
    alone = np.load(tmp_path / "alone.npz")
    for count, last_step in ((2, 1), (4, 2), (1, 3)):
        last = train(count, last_step)
    assert len(alone.files) == len(last.files) > 50
    for name in alone.files:
        np.testing.assert_allclose(last[name], alone[name], rtol=1e-4, atol=5e-5, err_msg=name)
