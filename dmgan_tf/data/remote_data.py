"""A prepared folder on an object store: small files are fetched at once, a shard when it is read.

    ~/.cache/dmgan_tf/remote/data/NAME-KEY/VERSION/    metadata.json, vocabulary.json, index.jsonl
                                                       shards, as they are read

A folder that has changed is another version, which is fetched anew.
"""

import hashlib
from pathlib import Path

from filelock import FileLock

from dmgan_tf.errors import UserError
from dmgan_tf.remote.store import Found, Item, Store
from dmgan_tf.whole_file import whole_file
from dmgan_tf.whole_folder import whole_folder

_SHARD = ".tfrecord"


class RemoteData:
    """A prepared folder as it stands on a store now.

    Args: small: names of the files to fetch at once; without the first it is no prepared folder.
    Attributes: folder: local, of these files. sizes: bytes of the shards, by their names. failure:
        why a shard can't be had; TensorFlow's datasets make an error of their own of it.
    Raises: UserError: when it can't be had.
    """

    def __init__(self, named: str | Path, small: tuple[str, ...]):
        self.failure: UserError | None = None
        self._store = Store(named)
        found = self._store.files()
        if small[0] not in found:
            raise UserError(
                f"{self._store.url}: is no prepared folder: it has no {small[0]}. To make it, run "
                f"`dmgan prepare-data … --out {self._store.url}`."
            )
        self._shards = {n: file for n, file in found.items() if n.endswith(_SHARD)}
        self.sizes = {name: file.size for name, file in self._shards.items()}
        marks = sorted((self._shards | {n: found[n] for n in small if n in found}).items())
        version = hashlib.sha256(repr(marks).encode()).hexdigest()[:16]
        self.folder = self._store.cache("data") / version
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder.with_name(f"{version}.lock")):
            if not self.folder.is_dir():
                self._fetch_small({name: found[name] for name in small if name in found})

    def _fetch_small(self, found: dict[str, Found]) -> None:
        with whole_folder(self.folder) as partial:
            self._fetch({partial / n: Item(n, file.size) for n, file in found.items()})

    def fetch(self, path: str | Path) -> None:
        """Brings a shard to its place in the folder, unless it is there; in any process or thread.

        Raises: UserError: when it can't be had, or has changed.
        """
        path = Path(path)
        if path.is_file():
            return
        with FileLock(path.with_name(f".{path.name}.lock")):
            if path.is_file():  # another was first
                return
            try:
                with whole_file(path) as partial:
                    self._fetch({partial: Item(path.name, self.sizes[path.name])})
            except UserError as error:
                self.failure = error
                raise

    def _fetch(self, items):
        try:
            self._store.fetch(items)
        except FileNotFoundError as error:
            raise UserError(
                f"{self._store.url}: has changed since it was opened. Start again."
            ) from error
