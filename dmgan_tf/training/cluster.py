"""The processes of a training on several machines: who they are, and what ends them all."""

import contextlib
import faulthandler
import json
import logging
import os
import re
import threading
from collections.abc import Iterator

import tensorflow as tf

from dmgan_tf.errors import LostWorker, UserError
from dmgan_tf.training.callbacks import StepCallback

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
# The first step compiles, and waits for what worker 0 alone writes before it.
_FIRST_STEP_SECONDS = 3600.0
_LOGGER = logging.getLogger(__name__)


def read_cluster() -> None:
    """Makes TF_CONFIG, unless it is set, of what the scheduler in DMGAN_TF_CLUSTER tells a task.

    Raises: UserError: for another scheduler than `slurm`, a wrong port, or outside of a Slurm step.
    """
    scheduler = os.environ.get("DMGAN_TF_CLUSTER")
    if not scheduler or os.environ.get("TF_CONFIG"):
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
def lost_workers_told() -> Iterator[None]:
    """Raises LostWorker for an error of TensorFlow's that tells of another worker."""
    try:
        yield
    except (*_LOST, *_PERHAPS_LOST) as error:
        certain = isinstance(error, _LOST) or _OF_OTHERS.search(str(error))
        if not certain or _worker_count() < 2:
            raise
        reason = str(error).rpartition("aborted by: ")[2]
        raise LostWorker(" ".join(reason.split())[:200]) from error


def _worker_count():
    cluster = json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster", {})
    return sum(len(tasks) for tasks in cluster.values())


class StepTimeout(StepCallback):
    """Ends the process when a step does not: a worker that hangs, alive, keeps all others waiting.

    TensorFlow notices the workers that are gone. Ends with `LostWorker.exit_code`, without a
    checkpoint, after the place of every thread has gone to stderr.

    Args: seconds: float > 0, of a step and all that callbacks do after it. The first step has an
        hour at least.
    """

    def __init__(self, seconds):
        super().__init__()
        self._seconds = seconds
        self._stepped = threading.Event()
        self._done = False

    def on_train_begin(self, logs=None):
        threading.Thread(target=self._watch, daemon=True).start()

    def after_step(self, step, logs):
        self._stepped.set()

    def on_train_end(self, logs=None):
        self._done = True
        self._stepped.set()

    def _watch(self):
        seconds = max(self._seconds, _FIRST_STEP_SECONDS)
        while not self._done:
            if not self._stepped.wait(seconds):
                faulthandler.dump_traceback()
                _LOGGER.error("No step was done in %s s.", seconds)
                os._exit(LostWorker.exit_code)
            self._stepped.clear()
            seconds = self._seconds
