"""A prepared folder on an object store: small files are fetched at once, a shard when it is read.

    ~/.cache/dmgan_tf/remote/data/NAME-KEY/VERSION/    metadata.json, vocabulary.json, index.jsonl
                                                       shards, as they are read

A folder that has changed is another version, which is fetched anew.
"""

import glob
import hashlib
from pathlib import Path

from filelock import FileLock

from dmgan_tf.cache import use
from dmgan_tf.errors import UserError
from dmgan_tf.remote.store import Item, Store
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
        here = [name for name in small if name in found]
        self._found = {n: file for n, file in found.items() if n in here or n.endswith(_SHARD)}
        self.sizes = {n: file.size for n, file in self._found.items() if n.endswith(_SHARD)}
        version = hashlib.sha256(repr(sorted(self._found.items())).encode()).hexdigest()[:16]
        self.folder = self._store.cache("data") / version
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder.with_name(f"{version}.lock")):
            if not self.folder.is_dir():
                with whole_folder(self.folder) as partial:
                    self._fetch({partial / name: name for name in here})
        use(self.folder)

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
            for left in path.parent.glob(f"{glob.escape(path.name)}.*.partial"):
                left.unlink()  # by a process that was killed: the lock is ours
            try:
                with whole_file(path) as partial:
                    self._fetch({partial: path.name})
            except UserError as error:
                self.failure = error
                raise

    def _fetch(self, names):
        changed = UserError(f"{self._store.url}: has changed since it was opened. Start again.")
        try:
            self._store.fetch({p: Item(n, self._found[n].size) for p, n in names.items()})
            now = {name: self._store.file(name) for name in names.values()}
        except FileNotFoundError as error:
            raise changed from error
        if any(self._found[name] != file for name, file in now.items()):
            raise changed
