"""One model by its name: which versions answer, and how they are replaced."""

import logging
import math
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import grpc

from dmgan_tf.serving.batching import Batcher, Load
from dmgan_tf.serving.limits import ExpectedInputs, Limits
from dmgan_tf.serving.metrics import REQUEST_ROWS
from dmgan_tf.serving.model import DEFAULT_SIGNATURE, Model, Tensors
from dmgan_tf.serving.request_error import RequestError, invalid
from dmgan_tf.serving.source import Source

_LOGGER = logging.getLogger("serving")

Choice = int | str | None  # a version's number, a label, or the newest


@dataclass(eq=False, slots=True)
class _Version:
    number: int
    model: Model
    batcher: Batcher
    entering: int = 0  # requests that are being read
    entered: threading.Condition = field(default_factory=threading.Condition)


class ServedModel:
    """One name: a newer version takes over without a failed request, and an older one again."""

    def __init__(self, name: str, source: Source, limits: Limits):
        self.name = name
        self.source = source
        self._limits = limits
        self._versions: dict[int, _Version] = {}  # those that answer
        self._states: dict[int, tuple[str, str]] = {}  # version → (state, error)
        self._failed: dict[int, object] = {}  # version → what was there when it failed to load
        self._lock = threading.Lock()

    def refresh(self) -> None:
        """Loads the versions that should answer and can be loaded, then ends the others.

        Without any of them, those that answer go on.
        """
        most = len(self.source.pinned) or self.source.newest
        chosen: set[int] = set()
        for number, path in self._folders():
            if len(chosen) < most and (number in self._versions or self._load(number, path)):
                chosen.add(number)
        if chosen:
            self.end(set(self._versions) - chosen)

    def start(self) -> None:
        """As `refresh`. Raises: RequestError: when no version can be served."""
        self.refresh()
        if not self._versions:
            raise RequestError(
                grpc.StatusCode.NOT_FOUND,
                f"{self.source.base_path}: no version of {self.name} can be served.",
            )

    def check_labels(self, labels: Mapping[str, int]) -> None:
        """The versions of all labels answer. Raises: RequestError."""
        for label, number in labels.items():
            if number not in self._versions:
                raise RequestError(
                    grpc.StatusCode.FAILED_PRECONDITION,
                    f"Label {label!r} of {self.name} names version {number}, which doesn't answer.",
                )

    def _folders(self):
        """(number, folder) of each version that may answer, the newest first."""
        paths = self.source.base_path.iterdir()
        folders = {int(p.name): p for p in paths if re.fullmatch("[0-9]+", p.name, re.ASCII)}
        wanted = self.source.pinned & folders.keys() if self.source.pinned else folders
        return [(number, folders[number]) for number in sorted(wanted, reverse=True)]

    def _load(self, number, path):
        """Whether a version can be loaded; from now on it answers."""
        stamp = _stamp(path)
        if self._failed.get(number) == stamp:
            return False  # it failed before, and nothing has changed there
        self._set_state(number, "LOADING")
        try:
            model = Model(path)
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            self._set_state(number, "END", f"{type(error).__name__}: {reason}")
            self._failed[number] = stamp
            _LOGGER.error("%s version %d can't be served: %s", self.name, number, reason)
            return False
        version = _Version(number, model, self._batcher(model))
        with self._lock:
            self._versions = {**self._versions, number: version}
        self._set_state(number, "AVAILABLE")
        _LOGGER.info("%s: version %d answers.", self.name, number)
        return True

    def _batcher(self, model):
        limits = self._limits
        return Batcher(
            self.name,
            model.run,
            max_batch_size=limits.max_batch_size if limits.batching else 1,
            timeout_seconds=limits.batch_timeout_seconds if limits.batching else 0.0,
            max_queued_rows=limits.max_queued_rows,
            threads=1 if limits.batching else limits.max_calls,
        )

    def end(self, numbers: Iterable[int] | None = None) -> list[threading.Thread]:
        """Takes versions away; a thread each ends what was accepted. None: all of them."""
        with self._lock:
            gone = set(self._versions if numbers is None else numbers)
            ended = [version for version in self._versions.values() if version.number in gone]
            self._versions = {n: v for n, v in self._versions.items() if n not in gone}
        threads = [threading.Thread(target=self._drain, args=(v,), daemon=True) for v in ended]
        for thread in threads:
            thread.start()
        return threads

    def _drain(self, version):
        self._set_state(version.number, "UNLOADING")
        with version.entered:
            version.entered.wait_for(lambda: not version.entering, self._limits.drain_seconds)
        if not version.batcher.close(self._limits.drain_seconds):
            _LOGGER.warning(
                "%s: version %d was given up with requests that it had not answered.",
                *(self.name, version.number),
            )
        self._set_state(version.number, "END")

    def _set_state(self, number, state, error=""):
        with self._lock:
            self._states[number] = (state, error)

    def newest(self) -> int | None:
        """The newest version that answers."""
        return max(self._versions, default=None)

    def answering(self) -> list[int]:
        """The versions that answer."""
        return sorted(self._versions)

    def states(self, choice: Choice = None) -> Mapping[int, tuple[str, str]]:
        """(state, error) of each version that was seen, or of the chosen one; the newest first.

        Raises: RequestError.
        """
        number = self._number(choice)
        with self._lock:
            states = dict(sorted(self._states.items(), reverse=True))
        if number is None:
            return states
        if number not in states:
            raise RequestError(
                grpc.StatusCode.NOT_FOUND,
                f"Could not find version {number} of model {self.name}",
            )
        return {number: states[number]}

    def load(self) -> Load:
        """How much there is to do, of all versions that answer."""
        loads = [version.batcher.load() for version in self._versions.values()]
        return Load(
            sum(load.queued_rows for load in loads),
            sum(load.in_flight for load in loads),
            max((load.oldest_seconds for load in loads), default=0.0),
        )

    def submit(
        self,
        read: Callable[[ExpectedInputs], Tensors],
        signature: str = "",
        choice: Choice = None,
        outputs: Sequence[str] = (),
        deadline: float = math.inf,
    ) -> tuple[int, Future]:
        """The version that will answer, and the future of all its outputs.

        Args: read: makes the arrays of a request, once it is known what they should be. outputs:
            names that must be there. deadline: as for `Batcher.submit`.
        Raises: RequestError; the future may hold one as well.
        """
        version = self._enter(choice)
        try:
            called = version.model.signature(signature or DEFAULT_SIGNATURE)
            if unknown := sorted(set(outputs) - set(called.outputs)):
                raise invalid(f"output tensor alias not found in signature: {unknown[0]}")
            expected = ExpectedInputs(called, self._limits)
            inputs = read(expected)
            expected.check_values(inputs)
            if called.batchable:
                REQUEST_ROWS.labels(self.name).observe(len(next(iter(inputs.values()))))
            return version.number, version.batcher.submit(
                signature or DEFAULT_SIGNATURE, inputs, deadline, alone=not called.batchable
            )
        finally:
            with version.entered:
                version.entering -= 1
                version.entered.notify_all()

    def model(self, choice: Choice = None) -> tuple[int, Model]:
        """A version and its model. Raises: RequestError."""
        with self._lock:
            version = self._chosen(choice)
        return version.number, version.model

    def _enter(self, choice):
        with self._lock:
            version = self._chosen(choice)
            with version.entered:
                version.entering += 1
            return version

    def _chosen(self, choice):
        number = self._number(choice)
        found = self.newest() if number is None else number
        if found not in self._versions:
            wanted = (
                f"Latest({self.name})" if number is None else f"Specific({self.name}, {number})"
            )
            raise RequestError(
                grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {wanted}"
            )
        return self._versions[found]

    def _number(self, choice):
        """The version that a request names; None for the newest, which clients may write as 0."""
        if isinstance(choice, str):
            if choice not in self.source.labels:
                raise invalid(f"Unrecognized servable version label: {choice}")
            return self.source.labels[choice]
        return None if choice == 0 and 0 not in self._versions else choice


def version_number(text: str) -> int:
    """A version as an address or a message has it. Raises: RequestError."""
    if not re.fullmatch("[0-9]{1,18}", text, re.ASCII):
        raise invalid(f"A version is a number. Received: {text[:20]!r}.")
    return int(text)


def _stamp(path):
    """What changes while a version's folder is being filled."""
    return sorted((p.name, s.st_size, s.st_mtime_ns) for p in path.rglob("*") if (s := p.stat()))
