"""Who a worker is by its environment, and which errors tell of another worker."""

import json
import os

import pytest
import tensorflow as tf

from dmgan_tf.errors import LostWorker, UserError
from dmgan_tf.training.cluster import lost_workers_told, read_cluster
from dmgan_tf.training.step_timeout import time_limit


@pytest.fixture
def step(monkeypatch):
    """Function: the environment of a task of a Slurm step, as `srun` sets it."""

    def enter(node, rank, local, nodes="node[2,10]", tasks_per_node="1(x2)", tasks=2):
        monkeypatch.setenv("TF_CONFIG", "")
        for name, value in {
            "DMGAN_TF_CLUSTER": "slurm",
            "SLURM_STEP_NODELIST": nodes,
            "SLURM_STEP_NUM_TASKS": tasks,
            "SLURM_STEP_TASKS_PER_NODE": tasks_per_node,
            "SLURM_PROCID": rank,
            "SLURM_LOCALID": local,
            "SLURMD_NODENAME": node,
        }.items():
            monkeypatch.setenv(name, str(value))

    return enter


def described():
    read_cluster()
    found = json.loads(os.environ["TF_CONFIG"])
    assert found["task"]["type"] == "worker"
    return found["cluster"]["worker"], found["task"]["index"]


@pytest.mark.parametrize(("node", "rank"), [("node2", 0), ("node10", 1)])
def test_every_task_of_a_slurm_step_finds_its_own_address(step, node, rank):
    step(node, rank, 0)
    workers, index = described()
    assert sorted(workers) == ["node10:8888", "node2:8888"]
    assert workers[index] == f"{node}:8888"


def test_tasks_of_one_node_have_ports_of_their_own(step, monkeypatch):
    step("gpu7", 2, 1, nodes="gpu[5,7]", tasks_per_node="1,2", tasks=3)
    monkeypatch.setenv("DMGAN_TF_PORT", "7000")
    assert described() == (["gpu5:7000", "gpu7:7000", "gpu7:7001"], 2)
    assert "CUDA_VISIBLE_DEVICES" not in os.environ or os.environ["CUDA_VISIBLE_DEVICES"] == "-1"


def test_tf_config_that_is_there_stays(step, monkeypatch):
    step("node2", 0, 0)
    other = '{"cluster": {"worker": ["one:1"]}, "task": {"type": "worker", "index": 0}}'
    monkeypatch.setenv("TF_CONFIG", other)
    read_cluster()
    assert os.environ["TF_CONFIG"] == other


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[1]",
        '{"cluster": {"worker": ["one:1"]}}',
        '{"cluster": {"worker": "one:1"}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["one:1"]}, "task": {"type": "wroker", "index": 0}}',
        '{"cluster": {"worker": ["one:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"worker": ["one:1"]}, "task": {"type": "worker", "index": "0"}}',
    ],
)
def test_tf_config_that_describes_no_worker_is_told(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match=r"TF_CONFIG (is not valid JSON|must be)"):
        read_cluster()


def test_slurm_without_a_step_and_an_unknown_scheduler_are_told(step, monkeypatch):
    step("node2", 0, 0)
    monkeypatch.delenv("SLURM_PROCID")
    with pytest.raises(UserError, match=r"no task of a Slurm step .*PROCID.* Use srun"):
        read_cluster()
    monkeypatch.setenv("DMGAN_TF_CLUSTER", "pbs")
    with pytest.raises(UserError, match=r"must be slurm, or not be set\. Received: pbs"):
        read_cluster()


def test_only_errors_of_other_workers_are_told_as_such(monkeypatch):
    gone = tf.errors.UnavailableError(None, None, "Collective ops is aborted by: connection\nreset")
    beaten = tf.errors.InternalError(None, None, "The coordination service has shut down")
    full = tf.errors.ResourceExhaustedError(None, None, "OOM")
    own = tf.errors.InternalError(None, None, "cuDNN launch failure")
    tasks = {"worker": ["one:1", "two:1"]}
    own_task = {"type": "worker", "index": 0}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": tasks, "task": own_task}))
    for error, reason in ((gone, "connection reset"), (beaten, "The coordination service has")):
        with pytest.raises(LostWorker, match=f"was lost: {reason}"), lost_workers_told():
            raise error
    for error in (full, own):
        with pytest.raises(type(error)), lost_workers_told():
            raise error
    alone = {"cluster": {"worker": ["one:1"]}, "task": own_task}
    monkeypatch.setenv("TF_CONFIG", json.dumps(alone))
    with pytest.raises(tf.errors.UnavailableError), lost_workers_told():
        raise gone


@pytest.mark.parametrize(("timeout", "limit"), [(0.0, None), (30.0, 3600.0), (7200.0, 7200.0)])
def test_start_has_an_hour_at_least_or_for_ever(monkeypatch, timeout, limit):
    described = {"cluster": {"worker": ["one:1", "two:1"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(described))
    with lost_workers_told(timeout):
        assert time_limit.between == limit
    assert time_limit.between is None


@pytest.mark.parametrize("port", ["abc", "0", "70000"])
def test_port_that_is_none_is_told(step, monkeypatch, port):
    step("node2", 0, 0)
    monkeypatch.setenv("DMGAN_TF_PORT", port)
    with pytest.raises(UserError, match=f"DMGAN_TF_PORT must lie in 1 … 65535. Received: {port}"):
        read_cluster()
