"""A prepared folder on an object store: written into the cache, then uploaded."""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from dmgan_tf.data.prepared import METADATA
from dmgan_tf.errors import UserError
from dmgan_tf.remote.store import Store, StoreError


def local_folder(named: Path, options: Mapping[str, object]) -> Path:
    """Where a remote folder is written before it is uploaded; one place for each set of options.

    Raises: UserError: when there is a prepared folder already, or the store can't be reached.
    """
    store = Store(named)
    if METADATA in store.files():
        raise UserError(f"{store.url} is there already: name another --out, or remove it.")
    absolute = {n: v.absolute() if isinstance(v, Path) else v for n, v in options.items()}
    digest = hashlib.sha256(repr(sorted(absolute.items())).encode()).hexdigest()[:16]
    folder = store.cache("prepared") / digest
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder


def upload(folder: Path, named: Path) -> None:
    """Uploads a prepared folder, `metadata.json` last, without which it is none; then removes it.

    Raises: UserError: when it can't be uploaded; it stays then.
    """
    store = Store(named)
    paths = {path.name: path for path in folder.iterdir() if path.is_file()}
    try:
        last = {METADATA: paths.pop(METADATA)}
        store.put(paths)
        there = store.files()
        for name, path in paths.items():
            if name not in there or there[name].size != path.stat().st_size:
                raise StoreError(f"{store.url}: {name} has not arrived.")
        store.put(last)
    except StoreError as error:
        error.args = (f"{error} What was prepared is in {folder}: the same command uploads it.",)
        raise
    shutil.rmtree(folder)
