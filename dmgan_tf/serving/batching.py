"""Dynamic batching: requests that arrive together are answered by one call of the model."""

import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np

from dmgan_tf.serving import tracing
from dmgan_tf.serving.metrics import BATCH_ROWS, DROPPED, QUEUE_FULL
from dmgan_tf.serving.request_error import RequestError

Tensors = dict[str, np.ndarray]


@dataclass(slots=True, eq=False)
class _Task:
    key: Hashable
    inputs: Tensors
    rows: int
    deadline: float
    arrived: float = field(default_factory=time.monotonic)
    answer: Future = field(default_factory=Future)
    trace: Any = field(default_factory=tracing.current)


@dataclass(frozen=True, slots=True)
class Load:
    """Rows that wait, requests without their answer yet, and the age of the oldest of those."""

    queued_rows: int
    in_flight: int
    oldest_seconds: float


class Batcher:
    """Joins requests of one kind along their first dimension, and shares the answer out again.

    A batch is run when it is full, or when its oldest request has waited long enough. One that
    fails is run again request by request, so that only the bad one does. A request whose deadline
    has passed, or whose future was cancelled, never reaches the model.

    Args:
        name: of the model, for its metrics.
        run: function (key, inputs) → outputs; every array has the batch as dimension 0.
        max_batch_size: int > 0, rows. timeout_seconds: float ≥ 0. max_queued_rows: int > 0.
        threads: int > 0, batches at a time.
    """

    def __init__(
        self,
        name: str,
        run: Callable[[Hashable, Tensors], Tensors],
        *,
        max_batch_size: int,
        timeout_seconds: float,
        max_queued_rows: int,
        threads: int = 1,
    ):
        self._name = name
        self._run = run
        self._max_batch_size = max_batch_size
        self._timeout_seconds = timeout_seconds
        self._max_queued_rows = max_queued_rows
        self._tasks: deque[_Task] = deque()
        self._unanswered: set[_Task] = set()
        self._queued_rows = 0
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name="batcher", daemon=True) for _ in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(
        self, key: Hashable, inputs: Tensors, deadline: float = math.inf, alone: bool = False
    ) -> Future:
        """Queues a request; the future gives its outputs, and may be cancelled while it waits.

        Args: key: requests of one key, and of the same inner shapes, may share a batch.
            deadline: on the clock of `time.monotonic`. alone: never in a batch with others.
        Raises: RequestError: RESOURCE_EXHAUSTED; UNAVAILABLE after `close`.
        """
        shapes = {name: array.shape[1:] for name, array in inputs.items()}
        kind = object() if alone else tuple(sorted(shapes.items()))
        rows = 1 if alone else len(next(iter(inputs.values())))
        task = _Task((key, kind), inputs, rows, deadline)
        with self._changed:
            if self._closed:
                raise _closed()
            if self._queued_rows + rows > self._max_queued_rows:
                QUEUE_FULL.labels(self._name).inc()
                raise RequestError(
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    "The batch scheduling queue to which this task was submitted is full.",
                )
            self._tasks.append(task)
            self._unanswered.add(task)
            self._queued_rows += rows
            self._changed.notify_all()
        task.answer.add_done_callback(lambda _: self._forget(task))
        return task.answer

    def load(self) -> Load:
        """How much there is to do."""
        with self._changed:
            oldest = min((task.arrived for task in self._unanswered), default=math.inf)
            age = max(0.0, time.monotonic() - oldest)
            return Load(self._queued_rows, len(self._unanswered), age)

    def close(self, seconds: float) -> bool:
        """Answers what is queued, then stops; what isn't answered in time is given up.

        Returns: whether everything was answered.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        with self._changed:
            given_up = list(self._unanswered)
            self._tasks.clear()
        for task in given_up:
            _settle(task.answer.set_exception, _closed())
        return not given_up

    def _forget(self, task):
        with self._changed:
            self._unanswered.discard(task)
            if task.answer.cancelled() and task in self._tasks:
                self._tasks.remove(task)
                self._queued_rows -= task.rows
                self._is_wanted(task)  # counts it

    def _work(self):
        while batch := self._next_batch():
            BATCH_ROWS.labels(self._name).observe(sum(task.rows for task in batch))
            for task in batch:
                tracing.record(task.trace, "queue", task.arrived)
            self._answer(batch)

    def _next_batch(self):
        with self._changed:
            while self._tasks or not self._closed:
                if not self._tasks:
                    self._changed.wait()
                elif (left := self._seconds_left()) > 0:
                    self._changed.wait(left)
                elif batch := self._take_batch():
                    return batch
            return []

    def _seconds_left(self):
        """Until the batch that is being gathered must go."""
        if self._closed or self._queued_rows >= self._max_batch_size:
            return 0.0
        return self._tasks[0].arrived + self._timeout_seconds - time.monotonic()

    def _take_batch(self):
        batch, rest, rows = [], deque(), 0
        for task in self._tasks:
            joins = task.key == batch[0].key if batch else True
            if not joins or (batch and rows + task.rows > self._max_batch_size):
                rest.append(task)
            elif self._is_wanted(task):
                batch.append(task)
                rows += task.rows
        self._tasks = rest
        self._queued_rows = sum(task.rows for task in rest)
        return batch

    def _is_wanted(self, task):
        """Whether a caller still waits for a task; from here on it can't be cancelled."""
        expired = time.monotonic() >= task.deadline
        waits = task.answer.set_running_or_notify_cancel()
        if waits and not expired:
            return True
        DROPPED.labels(self._name, "expired" if expired else "cancelled").inc()
        if waits:
            task.answer.set_exception(
                RequestError(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
            )
        return False

    def _answer(self, batch):
        try:
            outputs = self._call(batch)
        except Exception as error:
            if len(batch) == 1:
                _settle(batch[0].answer.set_exception, error)
            else:
                for task in batch:
                    self._answer([task])
            return
        if len(batch) == 1:
            _settle(batch[0].answer.set_result, outputs)
            return
        start = 0
        for task in batch:
            end = start + task.rows
            part = {name: array[start:end] for name, array in outputs.items()}
            _settle(task.answer.set_result, part)
            start = end

    def _call(self, batch):
        began, rows = time.monotonic(), sum(task.rows for task in batch)
        try:
            return self._outputs(batch, rows)
        finally:
            for task in batch:
                tracing.record(task.trace, "model", began, rows)

    def _outputs(self, batch, rows):
        key, _ = batch[0].key
        if len(batch) == 1:
            return self._run(key, batch[0].inputs)
        names = batch[0].inputs
        inputs = {name: np.concatenate([task.inputs[name] for task in batch]) for name in names}
        outputs = self._run(key, inputs)
        for name, array in outputs.items():
            if array.ndim == 0 or len(array) != rows:
                raise ValueError(f"Output {name!r} has not the batch as its first dimension.")
        return outputs


def _settle(set_answer, answer):
    """Answers a request that isn't given up yet."""
    with contextlib.suppress(InvalidStateError):
        set_answer(answer)


def _closed():
    return RequestError(grpc.StatusCode.UNAVAILABLE, "This version takes no requests any more.")
