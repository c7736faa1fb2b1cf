"""The models that a server holds: which version answers, and how a newer one takes its place."""

import logging
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from dmgan_tf.serving.batching import Batcher, QueueFullError
from dmgan_tf.serving.metrics import BATCH_ROWS, QUEUE_FULL, VERSION
from dmgan_tf.serving.model import DEFAULT_SIGNATURE, Model, RequestError, Tensors, invalid

_LOGGER = logging.getLogger("serving")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a request may ask for, and how requests are batched.

    Attributes: max_batch_size: rows of a request and of a batch. batch_timeout_seconds: how long
        the oldest request waits for others; max_batch_size 1 or no batching: not at all.
        max_queued_rows: beyond it RESOURCE_EXHAUSTED. max_string_bytes: of one input string.
    """

    batching: bool = True
    max_batch_size: int = 32
    batch_timeout_seconds: float = 0.002
    max_queued_rows: int = 256
    max_string_bytes: int = 2000


@dataclass(eq=False, slots=True)
class _Version:
    number: int
    model: Model
    batcher: Batcher | None
    users: int = 0
    idle: threading.Condition = field(default_factory=threading.Condition)


class ServedModel:
    """One name: its newest version answers; older ones end when their last request has."""

    def __init__(self, name: str, base_path: Path, limits: Limits):
        self.name = name
        self.base_path = base_path
        self._limits = limits
        self._current: _Version | None = None
        self._states: dict[int, tuple[str, str]] = {}  # version → (state, error)
        self._failed: dict[int, object] = {}  # version → what was there when it failed to load
        self._lock = threading.Lock()

    def refresh(self) -> None:
        """Loads the newest version that can be loaded, if it isn't the one that answers."""
        with self._lock:
            current = self._current
        for number, path in self._versions():
            if current and number <= current.number:
                return
            if self._failed.get(number) == _stamp(path):
                continue  # it failed before, and nothing has changed there
            if version := self._try_to_load(number, path):
                break
        else:
            return
        with self._lock:
            self._current = version
        self._states[version.number] = ("AVAILABLE", "")
        VERSION.labels(self.name).set(version.number)
        _LOGGER.info("%s: version %d answers.", self.name, version.number)
        if current:
            self._end(current)

    def _versions(self):
        """(number, folder) of each version there is, the newest first."""
        folders = [p for p in self.base_path.iterdir() if re.fullmatch("[0-9]+", p.name, re.ASCII)]
        return sorted(((int(path.name), path) for path in folders), reverse=True)

    def _try_to_load(self, number, path):
        self._states[number], stamp = ("LOADING", ""), _stamp(path)
        try:
            return self._load(number, path)
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            self._states[number] = ("END", f"{type(error).__name__}: {reason}")
            self._failed[number] = stamp
            _LOGGER.error("%s version %d can't be served: %s", self.name, number, reason)
            return None

    def _load(self, number, path):
        model = Model(path)
        batcher = None
        if self._limits.batching:
            batcher = Batcher(
                model.run,
                max_batch_size=self._limits.max_batch_size,
                timeout_seconds=self._limits.batch_timeout_seconds,
                max_queued_rows=self._limits.max_queued_rows,
                observe=BATCH_ROWS.labels(self.name).observe,
            )
        return _Version(number, model, batcher)

    def _end(self, version):
        """Ends a version that gets no new requests when those that it has are answered."""
        self._states[version.number] = ("UNLOADING", "")
        with version.idle:
            version.idle.wait_for(lambda: not version.users)
        if version.batcher:
            version.batcher.close()
        self._states[version.number] = ("END", "")

    def close(self) -> None:
        """Ends the version that answers."""
        with self._lock:
            version, self._current = self._current, None
        if version:
            self._end(version)

    def available(self) -> bool:
        """Whether a version answers."""
        with self._lock:
            return self._current is not None

    def states(self) -> Mapping[int, tuple[str, str]]:
        """(state, error) of each version that was seen, the newest first."""
        return dict(sorted(self._states.items(), reverse=True))

    def predict(
        self, inputs: Tensors, signature: str = "", version: int | None = None
    ) -> tuple[int, Tensors]:
        """The version that answered, and its outputs.

        Raises: RequestError.
        """
        signature = signature or DEFAULT_SIGNATURE
        used = self._enter(version)
        try:
            inputs = used.model.checked(signature, inputs)
            batchable = used.model.batchable(signature)
            self._check_limits(inputs, batchable)
            if used.batcher and batchable:
                return used.number, used.batcher.submit(signature, inputs).result()
            return used.number, used.model.run(signature, inputs)
        except QueueFullError:
            QUEUE_FULL.labels(self.name).inc()
            raise RequestError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "The batch scheduling queue to which this task was submitted is full.",
            ) from None
        finally:
            self._leave(used)

    def model(self, version: int | None = None) -> tuple[int, Model]:
        """A version and its model. Raises: RequestError."""
        used = self._enter(version)
        self._leave(used)
        return used.number, used.model

    def _enter(self, number):
        with self._lock:
            version = self._current
            if version is None or number not in (None, version.number):
                wanted = (
                    f"Latest({self.name})" if number is None else f"Specific({self.name}, {number})"
                )
                raise RequestError(
                    grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {wanted}"
                )
            with version.idle:
                version.users += 1
            return version

    @staticmethod
    def _leave(version):
        with version.idle:
            version.users -= 1
            version.idle.notify_all()

    def _check_limits(self, inputs, batchable):
        for name, array in inputs.items():
            if batchable and len(array) > self._limits.max_batch_size:
                raise invalid(
                    f"Task size {len(array)} is larger than maximum input batch size "
                    f"{self._limits.max_batch_size}"
                )
            if array.dtype == object:
                longest = max(map(len, array.flat))
                if longest > self._limits.max_string_bytes:
                    raise invalid(
                        f"Input {name!r} holds a string of {longest} bytes; at most "
                        f"{self._limits.max_string_bytes} are taken."
                    )


def _stamp(path):
    """What changes while a version's folder is being filled."""
    return sorted((p.name, s.st_size, s.st_mtime_ns) for p in path.rglob("*") if (s := p.stat()))


class Models:
    """All served models by name, looked after by a thread that watches for newer versions."""

    def __init__(self, base_paths: Mapping[str, Path], limits: Limits, poll_seconds: float):
        self._limits = limits
        self._poll_seconds = poll_seconds
        self._served = {name: ServedModel(name, path, limits) for name, path in base_paths.items()}
        self._stop = threading.Event()
        self._refreshing = threading.Lock()
        self.refresh()
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)
        self._thread.start()

    def _watch(self):
        while not self._stop.wait(self._poll_seconds):
            try:
                self.refresh()
            except Exception:  # a folder that vanishes must not end the watch
                _LOGGER.exception("Looking for newer versions failed; it is tried again.")

    def refresh(self) -> None:
        """Looks for newer versions now."""
        with self._refreshing:
            for served in list(self._served.values()):
                served.refresh()

    def replace(self, base_paths: Mapping[str, Path]) -> None:
        """Serves these models from now on; one that keeps its path goes on undisturbed.

        Raises: RequestError: when one of them has no version that can be served; nothing changes.
        """
        with self._refreshing:
            old, new = self._served, {}
            for name, path in base_paths.items():
                kept = old.get(name)
                if kept and kept.base_path.resolve() == path.resolve():
                    new[name] = kept
                    continue
                new[name] = ServedModel(name, path, self._limits)
                new[name].refresh()
                if not new[name].available():
                    for made in new.values():
                        if made not in old.values():
                            made.close()
                    raise RequestError(
                        grpc.StatusCode.NOT_FOUND, f"{path}: no version of {name} can be served."
                    )
            self._served = new
            for name, served in old.items():
                if new.get(name) is not served:
                    served.close()

    def __getitem__(self, name: str) -> ServedModel:
        if name not in self._served:
            raise RequestError(
                grpc.StatusCode.NOT_FOUND, f"Servable not found for request: Latest({name})"
            )
        return self._served[name]

    def available(self) -> bool:
        """Whether every model has a version that answers."""
        return all(served.available() for served in self._served.values())

    def __contains__(self, name: str) -> bool:
        return name in self._served

    def close(self) -> None:
        """Stops watching and ends every model."""
        self._stop.set()
        self._thread.join()
        for served in self._served.values():
            served.close()
