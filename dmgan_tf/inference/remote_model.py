"""Models on object stores: `s3://bucket/model` means a folder of the cache, fetched as a whole.

It is a run that `train` wrote there (`dmgan_tf/remote/state.py`), or the files of a run's or a
model's folder that somebody has copied. Only the files of a model directory are fetched, and
`model_directory` checks them as any others. They are fetched again when they have changed.
"""

import fnmatch
import hashlib
from pathlib import Path

from filelock import FileLock

from dmgan_tf.cache import cache_folder
from dmgan_tf.errors import UserError
from dmgan_tf.inference import hub
from dmgan_tf.remote import state
from dmgan_tf.remote.store import Item, Store, StoreError
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
    store = Store(named)
    place = store.cache(_KIND)
    for _ in range(_TRIES):
        files, version = _look(store)
        folder = place / version
        place.mkdir(parents=True, exist_ok=True)
        with FileLock(place / f"{version}.lock"):
            if folder.is_dir():
                return folder
            try:
                with whole_folder(folder) as partial:
                    store.fetch({partial / name: item for name, item in files.items()})
                    if _look(store)[1] == version:  # else it may hold files of both
                        return folder
                    raise FileNotFoundError
            except FileNotFoundError:  # it was replaced meanwhile
                continue
            except StoreError:
                if _look(store)[1] == version:
                    raise
    raise StoreError(f"{store.url}: lacks files of the model, or changes all the time.")


def _look(store):
    """The files of a remote model by their names, and what changes with any of them."""
    if run := state.newest(store):
        below = f"{_MODEL}/"
        files = {n.removeprefix(below): i for n, i in run.files.items() if n.startswith(below)}
        found = {name: item for name, item in files.items() if _is_of_model(name)}
        marks = [(name, item.sha256) for name, item in found.items()]
    else:
        for folder in ("", _MODEL):
            listed = {n: f for n, f in store.files(folder).items() if _is_of_model(n)}
            if "metadata.json" in listed:
                break
        below = f"{folder}/" if folder else ""
        found = {n: Item(f"{below}{n}", f.size) for n, f in listed.items()}
        marks = sorted(listed.items())
    if "metadata.json" not in found:
        raise UserError(
            f"{store.url}: holds no model (no metadata.json here or in {_MODEL}/). "
            "Give the folder of a run or of a model."
        )
    return found, hashlib.sha256(repr(marks).encode()).hexdigest()[:16]


def _is_of_model(name):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in hub.FILES)
