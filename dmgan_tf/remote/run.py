"""Runs whose folder is on an object store: trained in the cache, uploaded with each checkpoint.

    ~/.cache/dmgan_tf/remote/runs/NAME-KEY/run/          the run's folder, as any other
    ~/.cache/dmgan_tf/remote/runs/NAME-KEY/known.json    the states of the store that it came after
    ~/.cache/dmgan_tf/remote/runs/NAME-KEY/read/         the same of workers that don't write

Whoever reads the store finds a whole state (`remote/state.py`). A folder of the cache that came
after the newest state is gone on with; any other is replaced by it.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock

from dmgan_tf.chief import is_chief
from dmgan_tf.errors import UserError
from dmgan_tf.remote import state
from dmgan_tf.remote.state import State
from dmgan_tf.remote.store import Item, Store, StoreError, described, is_plain, is_remote
from dmgan_tf.whole_file import write_text

_TRIES = 3
_LOG = re.compile(r".*\.log|(.*/)?events\.out\..*")


class RemoteRun:
    """A run's folder on a store, and its copy in the cache.

    Attributes: url. path: of the copy, there or not.
    """

    def __init__(self, named: str | Path):
        self._store = Store(named)
        self.url = self._store.url
        place = self._store.cache("runs")
        if not is_chief():  # what those have is never ahead of the store
            place /= "read"
        self.path = place / "run"
        self._known = place / "known.json"
        place.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(place / "lock")
        self._hashes: dict[str, tuple[tuple[int, int], Item]] = {}

    def open(self) -> Path:
        """Brings the newest state into the copy, unless that came after it.

        Raises: UserError: when it can't be had, or what is there is no run of this kind.
        """
        with self._lock:
            for _ in range(_TRIES):
                newest = state.newest(self._store)
                if newest is None and "config.yaml" in self._store.files():
                    raise UserError(
                        f"{self.url}: holds a run that was copied there. Copy it to a local folder "
                        "and go on with that, or use another --run-dir."
                    )
                if _mark(newest) in self._read_known():
                    return self.path
                if newest is None:
                    raise UserError(
                        f"{self.url}: the run is gone that {self.path} is a copy of. Remove the "
                        "copy to begin anew, or use it as a local --run-dir."
                    )
                try:
                    self._fetch(newest)
                    return self.path
                except FileNotFoundError:  # a newer one has replaced it meanwhile
                    continue
        raise StoreError(f"{self.url}: lacks files of the run, or changes all the time.")

    def _fetch(self, newest):
        with self._beside("fetched") as fetched:
            self._store.fetch({fetched / name: item for name, item in newest.files.items()})
            shutil.rmtree(self.path, ignore_errors=True)
            self._known.unlink(missing_ok=True)
            fetched.rename(self.path)
        self._note(newest)

    @contextlib.contextmanager
    def _beside(self, name) -> Iterator[Path]:
        """An empty folder beside the copy, gone at the end, or with the next one after a kill."""
        folder = self.path.with_name(name)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def publish(self) -> None:
        """Makes the copy the newest state of the store.

        Raises: StoreError: when it can't be uploaded now; the state before stays whole. UserError:
            when another run has written there.
        """
        with self._lock:
            newest = state.newest(self._store)
            if _mark(newest) not in self._read_known():
                raise self._taken()
            files = self._upload()
            if not newest or newest.files != files:
                new = state.describe(newest.number + 1 if newest else 1, files)
                self._note(newest, new)  # a kill, or a lost answer, may come before the next line
                try:
                    state.write(self._store, new)
                except FileExistsError as error:
                    raise self._taken() from error
                newest = new
            self._note(newest)
            state.remove_others(self._store, newest)

    def _upload(self) -> dict[str, Item]:
        """Uploads what the store lacks of the copy's files; returns them all, by their names."""
        with self._beside("frozen") as frozen:
            for attempt in range(_TRIES):
                with contextlib.suppress(FileNotFoundError):  # replaced at this moment
                    paths = self._freeze(frozen / str(attempt))
                    break
            else:
                raise StoreError(f"{self.path}: changes all the time.")
            files = {name: self._hashed(name, path) for name, path in paths.items()}
            if not state.put(self._store, paths, files):
                raise StoreError(f"{self.url}: lacks what was uploaded.")
        return files

    def _freeze(self, folder: Path) -> dict[str, Path]:
        """Keeps the copy's files as they are now, by their names: training goes on meanwhile.

        Raises: FileNotFoundError: when it has changed before all were kept.
        """
        found, kept = self._found(), {}
        for name in found:
            kept[name] = folder / name
            kept[name].parent.mkdir(parents=True, exist_ok=True)
            # Logs grow; all else is replaced by a new file.
            (shutil.copy if _LOG.fullmatch(name) else os.link)(self.path / name, kept[name])
        if self._found() != found:
            raise FileNotFoundError
        return kept

    def _found(self):
        """Names of the copy's files, and their inodes, which new files don't share."""
        paths = {p.relative_to(self.path).as_posix(): p for p in sorted(self.path.rglob("*"))}
        return {
            name: path.stat().st_ino
            for name, path in paths.items()
            if is_plain(name) and ".partial" not in name and path.is_file()
        }

    def _hashed(self, name, path):
        """Reads again only what has changed."""
        status = path.stat()
        stamp = (status.st_size, status.st_mtime_ns)
        if self._hashes.get(name, (None,))[0] != stamp:
            found = described(path, path.name)
            self._hashes[name] = (stamp, state.item(found.size, found.sha256))
        return self._hashes[name][1]

    def _taken(self):
        return UserError(
            f"{self.url}: another run has written there meanwhile. This one stands in {self.path}; "
            "go on with it as a local --run-dir, or remove it."
        )

    def _note(self, *states):
        write_text(self._known, json.dumps([_mark(found) for found in states]))

    def _read_known(self):
        if not self.path.is_dir():
            return [None]
        try:
            return json.loads(self._known.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return [None]


def _mark(found: State | None) -> str | None:
    return found and f"{found.number} {hashlib.sha256(found.text.encode()).hexdigest()}"


def working_folder(named: Path) -> Path:
    """The local folder of a run; of one on a store the copy in the cache, as `RemoteRun.open`."""
    return RemoteRun(named).open() if is_remote(named) else named
