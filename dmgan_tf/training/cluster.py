"""The processes of a training on several machines: who they are, and what ends them all."""

import contextlib
import json
import os
import re
from collections.abc import Iterator

import tensorflow as tf

from dmgan_tf.chief import described_cluster
from dmgan_tf.errors import LostWorker, UserError
from dmgan_tf.training import step_timeout

_SLURM_PORT = 8888
# What collectives and TensorFlow's coordination service raise when a worker is gone, hangs or has
# begun anew; of the second kind only with such words, since defects of this worker are called so,
# too. All others (out of memory, a file that is missing) are this worker's own.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.DeadlineExceededError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
)
_PERHAPS_LOST = (tf.errors.FailedPreconditionError, tf.errors.InternalError)
_OF_OTHERS = re.compile("collective|coordination|heartbeat|peer|nccl", re.IGNORECASE)


def read_cluster() -> None:
    """Makes TF_CONFIG, unless it is set, of what the scheduler in DMGAN_TF_CLUSTER tells a task.

    Raises: UserError: for a TF_CONFIG that describes no worker, another scheduler than `slurm`, a
        wrong port, or outside of a Slurm step.
    """
    scheduler = os.environ.get("DMGAN_TF_CLUSTER")
    if not scheduler or os.environ.get("TF_CONFIG"):
        described_cluster()
        return
    if scheduler != "slurm":
        raise UserError(f"DMGAN_TF_CLUSTER must be slurm, or not be set. Received: {scheduler}.")
    port = os.environ.get("DMGAN_TF_PORT", str(_SLURM_PORT))
    if not (port.isdecimal() and 0 < int(port) < 2**16):
        raise UserError(f"DMGAN_TF_PORT must lie in 1 … 65535. Received: {port}.")
    try:
        os.environ["TF_CONFIG"] = json.dumps(_slurm_step(int(port)))
    except (KeyError, RuntimeError, ValueError) as error:
        raise UserError(
            f"DMGAN_TF_CLUSTER=slurm, but this is no task of a Slurm step ({error}). Use srun."
        ) from error


def _slurm_step(port):
    tasks = int(os.environ["SLURM_STEP_NUM_TASKS"])
    # As if each task had one GPU: the resolver knows no nodes without, and which of them TensorFlow
    # uses is Slurm's matter (CUDA_VISIBLE_DEVICES).
    resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
        port_base=port, gpus_per_node=tasks, gpus_per_task=1, auto_set_gpu=False
    )
    workers = resolver.cluster_spec().as_dict()["worker"]
    # By its address: the resolver sorts node10 before node2, Slurm's ranks do not.
    own = f"{os.environ['SLURMD_NODENAME']}:{port + int(os.environ['SLURM_LOCALID'])}"
    return {
        "cluster": {"worker": workers},
        "task": {"type": "worker", "index": workers.index(own)},
    }


@contextlib.contextmanager
def lost_workers_told(timeout: float = 0.0) -> Iterator[None]:
    """Raises LostWorker for an error of TensorFlow's that tells of another worker.

    Args: timeout: seconds of a step. What is done before, between and after trainings has as many,
        and an hour at least, or the process ends as by `StepTimeout`; 0: it waits for ever.
    """
    limit = step_timeout.time_limit
    try:
        if timeout and _worker_count() > 1:
            limit.between = max(timeout, step_timeout.START_SECONDS)
        limit.set(limit.between)
        yield
    except (*_LOST, *_PERHAPS_LOST) as error:
        certain = isinstance(error, _LOST) or _OF_OTHERS.search(str(error))
        if not certain or _worker_count() < 2:
            raise
        reason = str(error).rpartition("aborted by: ")[2]
        raise LostWorker(" ".join(reason.split())[:200]) from error
    finally:
        limit.between = None
        limit.set(None)


def _worker_count():
    return sum(len(tasks) for tasks in described_cluster().get("cluster", {}).values())
