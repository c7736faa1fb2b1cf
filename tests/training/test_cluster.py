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
PATH = {"PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The run folder of two workers, encoders first."""
    directory = tmp_path_factory.mktemp("runs") / "straight"
    line = command(directory, "null", "training.evaluation_images=12")
    finish_all([start(line, TF_CONFIG=cluster) for cluster in cluster_of(2)])
    return directory


def test_two_workers_pretrain_and_train_into_one_run_folder(two):
    assert weights(two / "damsm", "text_encoder")
    assert (two / "damsm/best/metadata.json").exists()  # the chief alone scores
    saved = sorted(path.name for path in (two / "checkpoints").iterdir())
    assert saved == ["step_00000003", "step_00000006"]
    assert weights(two)


def test_signal_to_one_worker_stops_all_and_saves(two, tmp_path):
    many = ["training.steps=100000", "training.checkpoint_every_steps=100000"]
    line = command(tmp_path / "run", two / "damsm", *many)
    processes = [start(line, TF_CONFIG=cluster) for cluster in cluster_of(2)]
    wait_for(tmp_path / "run/tensorboard", processes[0])
    wait_for_step_2(tmp_path / "run", processes[0])
    processes[1].send_signal(signal.SIGTERM)
    for process in processes:
        _, err = process.communicate(timeout=600)
        assert process.returncode == 128 + signal.SIGTERM, err
    assert len(list((tmp_path / "run/checkpoints").iterdir())) == 1


def test_typo_is_not_tried_again(tmp_path):
    line = command(tmp_path / "run", "null", "training.stepz=6")
    assert run_job(lambda _: [start(line), start(line)], attempts=3) == [[2, 2]]


def test_worker_that_cannot_begin_ends_the_other(two, tmp_path):
    lines = [
        command(tmp_path / "run", two / "damsm", f"training.initial_model={model}")
        for model in (two, tmp_path / "nowhere")
    ]
    clusters = cluster_of(2)
    workers = [start(x, TF_CONFIG=cluster) for x, cluster in zip(lines, clusters, strict=True)]
    told = [worker.communicate(timeout=300)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [2, 2], told
    assert "error: Another worker could not begin; its own log says why." in told[0]
    assert "nowhere" in told[1]


def peers(*arguments, prefixes=((), ()), hosts=None, going=2):
    """Two workers of peer.py, when so many have done some steps. Args: prefixes: of commands."""
    line = [sys.executable, str(ROOT / "tests/training/peer.py")]
    workers = [
        start([*prefix, *line, *arguments[i]], TF_CONFIG=cluster, **PATH)
        for i, (prefix, cluster) in enumerate(zip(prefixes, cluster_of(2, hosts), strict=True))
    ]
    for worker in workers[2 - going :]:
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
    assert "No step was done in 30.0 s." in workers[0].communicate()[1]


def test_worker_that_hangs_before_the_first_step_ends_all():
    workers = peers(("1", "-1", "30"), ("1", "start", "30"), going=1)
    assert [exit_code(worker) for worker in workers] == [138, 138]
    assert "No first step was done in 30.0 s." in workers[0].communicate()[1]


@contextlib.contextmanager
def two_machines():
    """Two network namespaces: the commands to run in each, and a function: the cable up or down."""
    tag = uuid.uuid4().hex[:6]
    names = [f"dmgan-{tag}-{i}" for i in (0, 1)]

    def ip(*words):
        subprocess.run(["ip", *words], check=True, capture_output=True)

    try:
        for name in names:
            try:
                ip("netns", "add", name)
            except subprocess.CalledProcessError as error:
                pytest.skip(f"no network namespace can be made here: {error.stderr.decode()}")
        ends = [f"d{tag}{i}" for i in (0, 1)]
        ip("link", "add", ends[0], "netns", names[0], "type", "veth", "peer", "name", ends[1],
           "netns", names[1])  # fmt: skip
        for i, (name, end) in enumerate(zip(names, ends, strict=True)):
            ip("-n", name, "address", "add", f"10.77.0.{i + 1}/24", "dev", end)
            for link in ("lo", end):
                ip("-n", name, "link", "set", link, "up")
        yield (
            [["ip", "netns", "exec", name] for name in names],
            lambda state: ip("-n", names[1], "link", "set", ends[1], state),
        )
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("ip"), reason="network namespaces need root and iproute2"
)
def test_job_whose_network_is_cut_goes_on_by_itself_to_the_same_weights(tmp_path, straight_twenty):
    with two_machines() as (prefixes, cable):
        places = {"prefixes": prefixes, "hosts": ("10.77.0.1", "10.77.0.2")}

        def begin(attempt):
            cable("up")
            processes, files[:] = workers(tmp_path, 2, 20, **places)
            if attempt == 0:
                wait_for(tmp_path / "checkpoints" / "step_00000002", processes[0])
                cable("down")
            return processes

        files = []
        assert run_job(begin, attempts=3) == [[138, 138], [0, 0]]
    assert_bit_identical(straight_twenty, load_equal(files))


def workers(folder, count, last_step, prefixes=None, hosts=None):
    """So many of worker.py, and the files of weights that they will leave."""
    line = [sys.executable, str(ROOT / "tests/training/worker.py")]
    files = [folder / f"{count}_{i}.npz" for i in range(count)]
    ends = str(last_step), str(folder / "checkpoints")
    processes = [
        start([*prefix, *line, str(file), *ends], TF_CONFIG=cluster, **PATH)
        for prefix, file, cluster in zip(
            prefixes or [()] * count, files, cluster_of(count, hosts), strict=True
        )
    ]
    return processes, files


def load_equal(files):
    """The weights of all workers, which are the same bit for bit."""
    first, *others = (dict(np.load(file)) for file in files)
    for other in others:
        assert_bit_identical(first, other)
    return first


@pytest.fixture(scope="module")
def straight_twenty(tmp_path_factory):
    """The weights of two workers after twenty steps that nothing stopped."""
    processes, files = workers(tmp_path_factory.mktemp("straight"), 2, 20)
    finish_all(processes)
    return load_equal(files)


def test_job_that_loses_workers_goes_on_by_itself_to_the_same_weights(tmp_path, straight_twenty):
    files = []
    checkpoints, newest, outputs = tmp_path / "checkpoints", [0], []

    def begin(attempt):
        processes, files[:] = workers(tmp_path, 2, 20)
        if attempt < 2:
            wait_for(checkpoints / f"step_{newest[-1] + 2:08d}", processes[0])
            processes[1].send_signal((signal.SIGKILL, signal.SIGTERM)[attempt])
        outputs.append([process.communicate(timeout=600) for process in processes])
        newest.append(max(int(path.name[5:]) for path in checkpoints.glob("step_*[0-9]")))
        return processes

    assert run_job(begin, attempts=4) == [[138, 137], [143, 143], [0, 0]], outputs
    assert "error: Another worker was lost" in outputs[0][0][1]
    for step, ((out, _), _) in zip(newest, outputs, strict=False):
        assert f"from {step}\n" in out  # nothing was lost but the steps since the last checkpoint
    assert 2 <= newest[1] < newest[2] < newest[3] == 20
    assert_bit_identical(straight_twenty, load_equal(files))


def test_more_and_fewer_workers_between_restarts_change_nothing(tmp_path):
    line = [sys.executable, str(ROOT / "tests/training/worker.py")]
    finish_all([start([*line, str(tmp_path / "alone.npz"), "3"], **PATH)])
    alone = dict(np.load(tmp_path / "alone.npz"))
    for count, last_step in ((2, 1), (4, 2), (1, 3)):
        processes, files = workers(tmp_path, count, last_step)
        finish_all(processes)
        last = load_equal(files)
    assert alone.keys() == last.keys() and len(alone) > 50
    for name, value in alone.items():  # three steps of a GAN amplify the rounding of the first
        np.testing.assert_allclose(last[name], value, rtol=1e-3, atol=3e-4, err_msg=name)
