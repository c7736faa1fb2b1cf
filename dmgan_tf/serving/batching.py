"""Dynamic batching: requests that arrive together are answered by one call of the model."""

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

Tensors = dict[str, np.ndarray]


class QueueFullError(Exception):
    """More rows are waiting than the queue may hold."""


@dataclass(slots=True, eq=False)
class _Task:
    key: Hashable
    inputs: Tensors
    rows: int
    arrived: float = field(default_factory=time.monotonic)
    answer: Future = field(default_factory=Future)


class Batcher:
    """Joins requests of one kind along their first dimension, and shares the answer out again.

    A batch is run when it is full, or when its oldest request has waited long enough. One that
    fails is run again request by request, so that only the bad one does.

    Args:
        run: function (key, inputs) → outputs; every array has the batch as dimension 0.
        max_batch_size: int > 0, rows. timeout_seconds: float ≥ 0. max_queued_rows: int > 0.
        observe: function of the rows of each batch that is run.
    """

    def __init__(
        self,
        run: Callable[[Hashable, Tensors], Tensors],
        *,
        max_batch_size: int,
        timeout_seconds: float,
        max_queued_rows: int,
        observe: Callable[[int], None] = lambda rows: None,
    ):
        self._run = run
        self._max_batch_size = max_batch_size
        self._timeout_seconds = timeout_seconds
        self._max_queued_rows = max_queued_rows
        self._observe = observe
        self._tasks: deque[_Task] = deque()
        self._queued_rows = 0
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="batcher", daemon=True)
        self._thread.start()

    def submit(self, key: Hashable, inputs: Tensors) -> Future:
        """Queues a request; the future gives its outputs.

        Args: key: requests of one key, and of the same inner shapes, may share a batch.
        Raises: QueueFullError. RuntimeError: after `close`.
        """
        task = _Task(
            (key, *((name, array.shape[1:]) for name, array in sorted(inputs.items()))),
            inputs,
            len(next(iter(inputs.values()))),
        )
        with self._changed:
            if self._closed:
                raise RuntimeError("The batcher is closed.")
            if self._queued_rows + task.rows > self._max_queued_rows:
                raise QueueFullError
            self._tasks.append(task)
            self._queued_rows += task.rows
            self._changed.notify()
        return task.answer

    def close(self) -> None:
        """Answers what is queued, then stops."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self):
        while batch := self._next_batch():
            self._observe(sum(task.rows for task in batch))
            self._answer(batch)

    def _next_batch(self):
        with self._changed:
            while not self._tasks and not self._closed:
                self._changed.wait()
            if not self._tasks:
                return []
            deadline = self._tasks[0].arrived + self._timeout_seconds
            while not self._closed and self._queued_rows < self._max_batch_size:
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    break
            return self._take_batch()

    def _take_batch(self):
        batch, rest, rows = [], deque(), 0
        for task in self._tasks:
            fits = not batch or rows + task.rows <= self._max_batch_size
            if fits and (not batch or task.key == batch[0].key):
                batch.append(task)
                rows += task.rows
            else:
                rest.append(task)
        self._tasks = rest
        self._queued_rows -= rows
        return batch

    def _answer(self, batch):
        try:
            outputs = self._call(batch)
        except Exception as error:
            if len(batch) == 1:
                batch[0].answer.set_exception(error)
            else:
                for task in batch:
                    self._answer([task])
            return
        start = 0
        for task in batch:
            end = start + task.rows
            task.answer.set_result({name: array[start:end] for name, array in outputs.items()})
            start = end

    def _call(self, batch):
        names = batch[0].inputs
        inputs = {name: np.concatenate([task.inputs[name] for task in batch]) for name in names}
        outputs = self._run(batch[0].key[0], inputs)
        rows = sum(task.rows for task in batch)
        for name, array in outputs.items():
            if array.ndim == 0 or len(array) != rows:
                raise ValueError(f"Output {name!r} has not the batch as its first dimension.")
        return outputs
