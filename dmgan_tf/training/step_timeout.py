"""Ends a process that would wait for ever: a worker that hangs, alive, keeps all others waiting.

TensorFlow notices the workers that are gone.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import threading

from dmgan_tf.errors import LostWorker
from dmgan_tf.training.callbacks import StepCallback

# A start reads data and waits for what worker 0 alone writes; the first step compiles.
START_SECONDS = 3600.0
_LOGGER = logging.getLogger(__name__)


class _TimeLimit:
    """The time until which this process must get on, or it ends with `LostWorker.exit_code`.

    It ends without a checkpoint, after the place of every thread has gone to stderr.

    Attributes: between: seconds for all that is done before and between trainings; None: no limit.
    """

    def __init__(self) -> None:
        self.between: float | None = None
        self._timer: threading.Timer | None = None

    def set(self, seconds: float | None, what: str = "start or end of a training") -> None:
        """Begins anew. Args: seconds: from now; None: no limit. what: must be done by then."""
        if self._timer:
            self._timer.cancel()
        self._timer = None
        if seconds is not None:
            self._timer = threading.Timer(seconds, _end, [seconds, what])
            self._timer.daemon = True
            self._timer.start()


time_limit = _TimeLimit()


class StepTimeout(StepCallback):
    """Ends the process when a step does not.

    Args: seconds: float > 0, of a step and all that callbacks do after it. The first step has an
        hour at least.
    """

    def __init__(self, seconds):
        super().__init__()
        self._seconds = seconds

    def on_train_begin(self, logs=None):
        time_limit.set(max(self._seconds, START_SECONDS), "first step")

    def after_step(self, step, logs):
        time_limit.set(self._seconds, "step")

    def on_train_end(self, logs=None):
        time_limit.set(time_limit.between)


def _end(seconds, what):
    faulthandler.dump_traceback()
    _LOGGER.error("No %s was done in %s s.", what, seconds)
    os._exit(LostWorker.exit_code)
