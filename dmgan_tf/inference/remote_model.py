"""Models on object stores: `s3://bucket/model` means a folder of the cache, fetched as a whole.

It is a run that `train` wrote there (`dmgan_tf/remote/state.py`), or the files of a run's or a
model's folder that somebody has copied. Only the files of a model directory are fetched, and
`model_directory` checks them as any others. They are fetched again when they have changed.
"""

import fnmatch
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from dmgan_tf.cache import cache_folder, use
from dmgan_tf.errors import UserError
from dmgan_tf.inference import hub
from dmgan_tf.remote import state
from dmgan_tf.remote.store import Item, Store, StoreError, is_remote
from dmgan_tf.whole_folder import whole_folder

_KIND = "models"
_MODEL = "model"  # within a run's folder
_TRIES = 5


def name_of(folder: Path) -> str | None:
    """The name of the remote folder that a folder of the cache is of; None for other folders."""
    cached = folder.absolute().parent.parent == (cache_folder() / "remote" / _KIND).absolute()
    return folder.absolute().parent.name.rpartition("-")[0] if cached else None


def download(named: str | Path) -> Path:
    """The folder of the cache that holds a remote model as it is now.

    Raises: UserError: when it can't be had, in one line.
    """
    asked = Store(named)
    place = asked.cache(_KIND)
    for _ in range(_TRIES):
        store, files, version = _look(asked)
        folder = place / version
        place.mkdir(parents=True, exist_ok=True)
        with FileLock(place / f"{version}.lock"):
            if folder.is_dir():
                return use(folder)
            try:
                with whole_folder(folder) as partial:
                    store.fetch({partial / name: item for name, item in files.items()})
                    if _look(asked).version == version:  # else it may hold files of both
                        return folder
                    raise FileNotFoundError
            except FileNotFoundError:  # it was replaced meanwhile
                continue
            except StoreError:
                if _look(asked).version == version:
                    raise
    raise StoreError(f"{asked.url}: lacks files of the model, or changes all the time.")


class _Model(NamedTuple):
    """Where a model is, its files by their names, and what changes with any of them."""

    store: Store
    files: dict[str, Item]
    version: str


def _look(store):
    for found in _places(store):
        if "metadata.json" in found.files:
            return found
    raise UserError(
        f"{store.url}: holds no model (no metadata.json here or in {_MODEL}/). "
        "Give the folder of a run or of a model."
    )


def _places(store) -> Iterator[_Model]:
    """Where the model may be, the likely ones first."""
    yield _of_run(store, _MODEL)
    yield _copied(store, "")
    yield _copied(store, f"{_MODEL}/")
    run, _, folder = store.url.rpartition("/")
    if is_remote(run):
        yield _of_run(Store(run), folder)  # its `best`


def _of_run(store, folder):
    run = state.newest(store)
    below = f"{folder}/"
    names = [n.removeprefix(below) for n in (run.files if run else ()) if n.startswith(below)]
    files = {n: run.files[below + n] for n in names if _is_of_model(n)}
    return _Model(store, files, _version((n, item.sha256) for n, item in files.items()))


def _copied(store, below):
    there = {n: f for n, f in store.files(below.rstrip("/")).items() if _is_of_model(n)}
    files = {name: Item(f"{below}{name}", found.size) for name, found in there.items()}
    return _Model(store, files, _version(there.items()))


def _version(marks):
    return hashlib.sha256(repr(sorted(marks)).encode()).hexdigest()[:16]


def _is_of_model(name):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in hub.FILES)
