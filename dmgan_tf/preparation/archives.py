"""Archives from strangers, unpacked without trust."""

import bz2
import errno
import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple, cast

from dmgan_tf.errors import UserError
from dmgan_tf.preparation.sole_use import sole_use

MOST_BYTES = 200 * 2**30
_MOST_MEMBERS = 2_000_000
_CHUNK_BYTES = 2**20
_SPARE_BYTES = 2**30  # stay free on the disk
_BLOCK_BYTES = 4096  # that an empty file or folder takes
_TARBALLS = (".tgz", ".tar.gz", ".tar", ".tar.bz2", ".tar.xz")


class _Member(NamedTuple):
    name: str
    size: int
    kind: str  # file | folder | other
    open: Callable[[], IO[bytes] | None]


def is_archive(path: Path) -> bool:
    """Whether a file's name is that of a tarball or a ZIP."""
    return path.is_file() and path.name.lower().endswith((*_TARBALLS, ".zip"))


def unpack(archive: Path, folder: Path) -> Path:
    """Unpacks an archive beside `folder`, then renames; one that was unpacked stays.

    Only ordinary files and folders come out, and only below `folder`.

    Raises: UserError: for a name that leaves the folder, a link, a device or a file with holes,
        more than the disk has room for, a damaged or cut archive, or while another run unpacks it.
    """
    if folder.is_dir():
        return folder
    writing = folder.with_name(f"{folder.name}.partial")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with sole_use(writing):
        if folder.is_dir():  # by now, from another run
            return folder
        shutil.rmtree(writing, ignore_errors=True)
        writing.mkdir()
        try:
            _unpack_all(archive, writing)
        except BaseException as error:
            shutil.rmtree(writing, ignore_errors=True)
            full = isinstance(error, OSError) and error.errno == errno.ENOSPC
            if full or isinstance(error, UserError) or not isinstance(error, Exception):
                raise
            # What strangers' archives do to the readers of tar, gzip, bzip2, xz and ZIP has no end.
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:100]}"
            raise UserError(f"{archive}: is damaged or cut short: {reason}") from error
        writing.rename(folder)
    return folder


def _unpack_all(archive, folder):
    room = max(0, min(MOST_BYTES, shutil.disk_usage(folder).free - _SPARE_BYTES))
    total = 0
    for count, member in enumerate(_members(archive)):
        total += member.size + _BLOCK_BYTES * len(Path(member.name).parts)
        if total > room or count > _MOST_MEMBERS:
            raise UserError(
                f"{archive}: refused: holds more than {room:,} bytes, for which the disk has room "
                f"if {_SPARE_BYTES:,} stay free, or more than {_MOST_MEMBERS:,} files."
            )
        _unpack(member, folder, archive)


def _members(archive) -> Iterator[_Member]:
    if archive.name.lower().endswith(".zip"):
        with zipfile.ZipFile(archive) as packed:
            for info in packed.infolist():
                mode = info.external_attr >> 16
                ordinary = stat.S_IFMT(mode) in (0, stat.S_IFREG)
                kind = "folder" if info.is_dir() else "file" if ordinary else "other"
                yield _Member(info.filename, info.file_size, kind, partial(packed.open, info))
        return
    with _decompressed(archive) as file:
        for tar, entry in tar_entries(file):
            kind = "folder" if entry.isdir() else "file" if is_ordinary(entry) else "other"
            yield _Member(entry.name, entry.size, kind, partial(tar.extractfile, entry))


def tar_entries(file: IO[bytes]) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """The members of an uncompressed tar, without trust.

    Raises: tarfile.TarError, ValueError, OSError, …: where it is damaged or cut short.
    """
    with tarfile.open(fileobj=cast(IO[bytes], _Bounded(file)), mode="r:") as tar:
        for entry in tar:
            yield tar, entry
            tar.members.clear()  # type: ignore[attr-defined]  # or all are kept
        _check_end(tar)


def is_ordinary(entry: tarfile.TarInfo) -> bool:
    """Whether a member is a file whose bytes stand in the tar: a hole of any size takes none."""
    return entry.isreg() and not entry.issparse()


def _decompressed(archive):
    openers = {".tgz": gzip.open, ".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    return openers.get(archive.suffix.lower(), open)(archive, "rb")


class _Bounded:
    """A file that refuses to be read in one go, as tarfile reads names of any length."""

    def __init__(self, file):
        self._file, self.seek, self.tell = file, file.seek, file.tell

    def read(self, size=-1):
        if not 0 <= size <= _CHUNK_BYTES:
            raise tarfile.ReadError(f"a name or header of {size:,} bytes")
        return self._file.read(size)


def _check_end(tar):
    """tarfile takes a cut archive, and one whose next header is damaged, for one that has ended."""
    tar.fileobj.seek(tar.offset)
    block = tar.fileobj.read(tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE or any(block):
        raise tarfile.ReadError("it has no end")
    while tar.fileobj.read(_CHUNK_BYTES):  # to the checksum of what it is compressed with
        pass


def _unpack(member, folder, archive):
    if member.kind == "other":
        raise UserError(f"{archive}: refused: {member.name!r} is no ordinary file.")
    target = (folder / member.name).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise UserError(f"{archive}: refused: {member.name!r} leaves the folder.")
    if member.kind == "folder":
        target.mkdir(parents=True, exist_ok=True)
        return
    if target.is_file():
        raise UserError(f"{archive}: refused: holds {member.name!r} twice.")
    target.parent.mkdir(parents=True, exist_ok=True)
    with member.open() as source, target.open("wb") as file:
        shutil.copyfileobj(source, file)
    if target.stat().st_size != member.size:
        raise tarfile.ReadError(f"{member.name!r} ends early")
