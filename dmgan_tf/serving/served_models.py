"""All models of a server, looked after by a thread that watches their folders."""

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from typing import Any

import grpc

from dmgan_tf.serving.limits import Limits
from dmgan_tf.serving.metrics import LoadCollector
from dmgan_tf.serving.request_error import RequestError
from dmgan_tf.serving.served_model import ServedModel
from dmgan_tf.serving.source import Source

_LOGGER = logging.getLogger("serving")


class ServedModels:
    """Models by name."""

    def __init__(self, sources: Mapping[str, Source], limits: Limits, poll_seconds: float):
        self.limits = limits
        self._poll_seconds = poll_seconds
        self._served = {name: ServedModel(name, s, limits) for name, s in sources.items()}
        self._stop = threading.Event()
        self._changing = threading.Lock()
        for served in self._served.values():
            served.refresh()
        LoadCollector(self._loads)
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)
        self._thread.start()

    def _watch(self):
        while not self._stop.wait(self._poll_seconds):
            with self._changing:
                for served in self._served.values():
                    try:
                        served.refresh()
                    except Exception:  # a folder that vanishes must not end the watch
                        _LOGGER.exception(
                            "%s: looking for versions failed; it is tried again.", served.name
                        )

    def replace(self, sources: Mapping[str, Source]) -> None:
        """Serves these models from now on; one that keeps its folder goes on undisturbed.

        Raises: RequestError: when one of them has no version that can be served, or a label names
            one that doesn't answer; nothing changes.
        """
        with self._changing:
            old, new, made = self._served, {}, []
            for name, source in sources.items():
                kept = old.get(name)
                if kept and kept.source.base_path == source.base_path:
                    new[name] = kept
                else:
                    new[name] = ServedModel(name, source, self.limits)
                    made.append(new[name])
            try:
                for served in made:
                    served.start()
                for name, source in sources.items():
                    new[name].check_labels(source.labels)
            except Exception:
                for served in made:
                    served.end()
                raise
            for name, source in sources.items():
                new[name].source = source
            self._served = new
            for name, served in old.items():
                if new.get(name) is served:
                    served.refresh()
                else:
                    served.end()

    def __getitem__(self, name: str) -> ServedModel:
        served = self._served.get(name)
        if served is None:
            raise RequestError(
                grpc.StatusCode.NOT_FOUND, f"Servable not found for request: Latest({name})"
            )
        return served

    def __contains__(self, name: str) -> bool:
        return name in self._served

    def submit(self, name: str, *arguments: Any) -> tuple[int, Future]:
        """`ServedModel.submit` of the model of this name, also where another takes its place.

        Raises: RequestError; the future may hold one as well.
        """
        while True:
            served = self[name]
            try:
                return served.submit(*arguments)
            except RequestError:
                if self._served.get(name) is served:
                    raise

    def available(self) -> bool:
        """Whether every model has a version that answers."""
        return all(served.newest() is not None for served in self._served.values())

    def _loads(self) -> Iterator[tuple[str, int, int, int, float]]:
        for name, served in self._served.items():
            if (newest := served.newest()) is not None:
                load = served.load()
                yield name, newest, load.queued_rows, load.in_flight, load.oldest_seconds

    def close(self) -> None:
        """Stops watching and ends every model, within the limit for what was accepted."""
        self._stop.set()
        draining = [thread for served in self._served.values() for thread in served.end()]
        end = time.monotonic() + self.limits.drain_seconds
        for thread in draining:
            thread.join(max(0.0, end - time.monotonic()))
