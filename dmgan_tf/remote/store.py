"""Folders on object stores, by fsspec: `s3://bucket/folder`, `gs://bucket/folder`, `hdfs://…`.

Credentials, addresses, proxies and retries are those of fsspec's packages (AWS_ACCESS_KEY_ID,
AWS_ENDPOINT_URL, GOOGLE_APPLICATION_CREDENTIALS, …). What stands there is a stranger's: nothing of
it is executed, and names are checked before they become paths.
"""

import contextlib
import errno
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from dmgan_tf.cache import cache_folder
from dmgan_tf.errors import UserError

# What fsspec needs for each, beside itself.
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "hdfs": "pyarrow", "memory": "fsspec"}
_NAME = re.compile(rf"({'|'.join(_PACKAGES)}):/+(.+?)/*", re.DOTALL)  # pathlib makes // one slash
# What tells the contents of a file from others, of those that a file system knows.
_MARKS = ("ETag", "etag", "generation", "LastModified", "mtime", "created")
# What another try would not mend. Classes of packages that may not be installed, by their names.
_MISTAKES = ("FileNotFoundError", "PermissionError", "NoCredentialsError", "ParamValidationError")
_UPLOADS = 8  # at once, as fsspec's packages hold whole files of many megabytes in memory
_TRY_AGAIN = 138  # as `LostWorker`: schedulers may


class StoreError(UserError):
    """A store that can't be reached, or refuses. `exit_code` tells whether to try again later."""


class Item(NamedTuple):
    """A file to fetch: its name in the store, bytes, and SHA-256 (None: not known)."""

    name: str
    size: int
    sha256: str | None = None


class Found(NamedTuple):
    """A file in a store: its bytes, and what changes with its contents."""

    size: int
    mark: str


def is_remote(named: str | Path) -> bool:
    """Whether a name means a folder of a store."""
    return _NAME.fullmatch(str(named)) is not None


def url_of(named: str | Path) -> str:
    """`s3://bucket/folder`, also of what pathlib has made of it; other names as they are."""
    match = _NAME.fullmatch(str(named))
    return f"{match[1]}://{match[2]}" if match else str(named)


def local_path(named: str) -> Path:
    """The type of an option that takes no store. Raises: UserError: for a URL of one."""
    if is_remote(named):
        raise UserError(f"{url_of(named)}: name a local file or folder here, and copy it yourself.")
    return Path(named)


def is_plain(name: str) -> bool:
    """Whether a stranger's name of a file stays below the folder that it is put into."""
    parts = name.split("/")
    odd = re.search(r"[\\:\x00-\x1f]", name) or any(part.startswith(".") for part in parts)
    return bool(name) and "" not in parts and not odd and not PurePosixPath(name).is_absolute()


class Store:
    """A folder of a store, which need not exist.

    Raises: UserError: when a package is missing. Methods: FileNotFoundError: for a file that is not
        there to be read; StoreError.
    """

    def __init__(self, named: str | Path):
        self.url = url_of(named)
        scheme, _, path = self.url.partition("://")
        if "::" in path or ".." in path.split("/"):
            raise UserError(f"{self.url}: must be {scheme}://bucket/folder.")
        try:
            import fsspec

            with self._told(passed=ImportError):
                self._files, self._root = fsspec.url_to_fs(self.url)
        except ImportError as error:
            package = _PACKAGES[scheme] if "fsspec" not in str(error) else "fsspec"
            raise UserError(
                f"{self.url}: needs the package {package}: pip install {package}"
            ) from error
        digest = hashlib.sha256(self.url.encode()).hexdigest()[:16]
        self.key = re.sub(r"[^\w.-]", "_", path.rpartition("/")[2]) + f"-{digest}"

    def cache(self, kind: str) -> Path:
        """The place in the cache for what is of this folder, there or not."""
        return cache_folder() / "remote" / kind / self.key

    def files(self, folder: str = "") -> dict[str, Found]:
        """The files right in the folder, or in one below, by their names; empty without it."""
        with self._told():
            self._files.invalidate_cache()  # of listings
            try:
                entries = self._files.ls(self._path(folder), detail=True)
            except FileNotFoundError:
                return {}
        found = {}
        for entry in entries:
            name = entry["name"].rpartition("/")[2]
            if entry["type"] == "file" and is_plain(name):
                found[name] = _found(entry)
        return found

    def file(self, name: str) -> Found:
        """One file, as it is now."""
        with self._told():
            self._files.invalidate_cache()
            return _found(self._files.info(self._path(name)))

    def read(self, name: str) -> bytes:
        """The bytes of a small file."""
        with self._told():
            return self._files.cat_file(self._path(name))

    def fetch(self, items: Mapping[Path, Item]) -> None:
        """Fetches files to new local paths, and checks what has arrived."""
        for path in items:
            path.parent.mkdir(parents=True, exist_ok=True)
        if items:
            with self._told():
                names = [self._path(item.name) for item in items.values()]
                self._files.get(names, [str(path) for path in items])
        for path, item in items.items():
            if (found := described(path, item.name))[1:] != (item.size, item.sha256 or found[2]):
                raise StoreError(f"{self.url}: {item.name} is damaged there. Write it again.")

    def put(self, paths: Mapping[str, Path]) -> None:
        """Writes local files, by their names in the store; one is there whole or not at all."""
        names = list(paths)
        for start in range(0, len(names), _UPLOADS):
            some = names[start : start + _UPLOADS]
            with self._told(passed=()):
                self._files.put([str(paths[n]) for n in some], [self._path(n) for n in some])

    def create(self, name: str, content: bytes) -> None:
        """Writes a small file that is not there yet. Raises: FileExistsError."""
        with self._told(passed=FileExistsError):
            self._files.pipe_file(self._path(name), content, mode="create")

    def remove(self, names: Iterable[str]) -> None:
        """Removes files; one that is gone already is no error."""
        with self._told():
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    self._files.rm_file(self._path(name))

    def _path(self, name):
        return f"{self._root}/{name}" if name else self._root

    @contextlib.contextmanager
    def _told(self, passed=FileNotFoundError) -> Iterator[None]:
        """Turns what goes wrong in a store into one line. Args: passed: errors that stay."""
        try:
            yield
        except passed:
            raise
        except Exception as error:  # the packages below have classes of their own
            if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
                raise  # told by the command lines
            kinds = [kind.__name__ for kind in type(error).__mro__]
            reason = " ".join(str(error).split())[:200]
            told = StoreError(f"{self.url}: {type(error).__name__}: {reason}")
            if not any(kind in _MISTAKES for kind in kinds):
                told.exit_code = _TRY_AGAIN
            raise told from error


def _found(entry):
    # The first mark alone, and times as numbers: a file's own entry and that of a listing may tell
    # the time in different ways.
    mark = next((entry[mark] for mark in _MARKS if mark in entry), "")
    return Found(entry["size"], str(mark.timestamp() if isinstance(mark, datetime) else mark))


def described(path: Path, name: str) -> Item:
    """A local file as an item of that name."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return Item(name, file.tell(), sha256)
