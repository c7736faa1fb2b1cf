"""What stands in a `.pth` file: its tree of dictionaries and tensors, and the storages' bytes.

Two formats: the old one (before PyTorch 1.6: a row of pickles, then the raw storages) and the zip
(a pickle, and a member per storage). A tensor is a view, with offset and strides, of a storage;
several may share one.
"""

import contextlib
import io
import re
import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from dmgan_tf.interop.pickle_bytes import FormatError
from dmgan_tf.interop.pickle_machine import Name, PickleMachine

BFLOAT16 = "BFloat16Storage"
DTYPES: dict[str, np.dtype] = {  # little-endian, as both formats are
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    BFLOAT16: np.dtype("<u2"),  # NumPy has none: its bits
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ByteStorage": np.dtype("<u1"),
    "BoolStorage": np.dtype("?"),
}
_OLD_MAGIC = 0x1950A86A20F9469CFC6C
_OLD_VERSION = 1001
_ZIP_MAGIC = b"PK\x03\x04"
_ZIP_DAMAGE = (zipfile.BadZipFile, EOFError, struct.error)
_ZIP_TREE = re.compile(r"[^/]+/data\.pkl")
_COUNT = struct.Struct("<q")  # before each storage of the old format
_MOST_AXES = 8
_MOST_ELEMENTS = 2**40


@dataclass(frozen=True, slots=True)
class Storage:
    """A row of numbers, or a part of one.

    Attributes: key: its name in the file. kind: of DTYPES. count: elements of the whole row.
        part: the elements that count.
    """

    key: str
    kind: str
    count: int
    part: slice

    @property
    def byte_count(self) -> int:
        """Bytes of the whole row."""
        return self.count * DTYPES[self.kind].itemsize


@dataclass(frozen=True, slots=True)
class Tensor:
    """A view of a storage; offset and strides count elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_tree(content: bytes) -> tuple[object, Callable[[Storage], bytes | memoryview]]:
    """The tree of a file, its tensors described, and the function that finds a storage's bytes.

    Raises: FormatError: when the file is cut off, damaged, of another kind, or names anything but
        tensors and dictionaries. So does the function.
    """
    return (_read_zip if content.startswith(_ZIP_MAGIC) else _read_old)(content)


# --- the pickle of both formats -----------------------------------------------------------------


def _dictionary(pairs=()):
    result = {}
    for key, value in pairs:
        if not isinstance(key, str):
            raise TypeError("a dictionary's key is no text")
        result[key] = value
    return result


def _tensor(storage, offset, shape, strides, *_):
    if not isinstance(storage, Storage) or not len(shape) == len(strides) <= _MOST_AXES:
        raise TypeError("a tensor needs a storage, a shape and as many strides")
    if not all(map(_is_count, (offset, *shape, *strides))):
        raise TypeError("offset, shape and strides must be whole numbers from 0 on")
    return Tensor(storage, offset, tuple(shape), tuple(strides))


def _is_count(value):
    return isinstance(value, int) and 0 <= value <= _MOST_ELEMENTS


_NAMES: dict[str, object] = {
    "collections.OrderedDict": _dictionary,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
}
_NAMES |= {f"{module}.{kind}": kind for module in ("torch", "torch.cuda") for kind in DTYPES}


def _persistent():
    """Function of a persistent id that makes storages, and the storages by key."""
    known = {}

    def persistent(identity):
        storage = _storage(*identity)
        first = known.setdefault(storage.key, storage)
        if (first.kind, first.count) != (storage.kind, storage.count):
            raise FormatError(f"is damaged: storage {storage.key[:50]!r} has two sizes.")
        return storage

    return persistent, known


def _storage(what, kind, key, device, count, view=None):
    if what != "storage" or not isinstance(kind, Name) or kind.meaning not in DTYPES:
        raise FormatError("refused: holds something else than tensors of a known type.")
    _, first, part = view or (None, 0, count)
    if not isinstance(key, str) or not all(map(_is_count, (count, first, part))):
        raise TypeError("a storage needs a key and a number of elements")
    if first + part > count:
        raise FormatError(f"is damaged: a view reaches beyond storage {key[:50]!r}.")
    return Storage(key, kind.meaning, count, slice(first, first + part))


# --- the two formats ----------------------------------------------------------------------------


def _read_old(content):
    """Pickles of magic number, version, machine, tree and storage keys; then the storages."""
    persistent, known = _persistent()
    machine = PickleMachine(content, _NAMES, persistent=persistent)
    try:
        magic = machine.load()
    except FormatError:
        magic = None
    if magic != _OLD_MAGIC:
        raise FormatError(f"is no PyTorch file: it begins with {content[:16]!r}.")
    version, system = machine.load(), machine.load()
    if version != _OLD_VERSION or not isinstance(system, dict):
        raise FormatError(f"refused: is not of version {_OLD_VERSION} of PyTorch's old format.")
    _check_byte_order(system.get("little_endian") is True)
    tree, keys = machine.load(), machine.load()
    if not isinstance(keys, list) or not all(isinstance(key, str) and key in known for key in keys):
        raise FormatError("is damaged: its list of storages isn't that of its tensors.")
    ends = accumulate(
        (_COUNT.size + known[key].byte_count for key in keys), initial=machine.position
    )
    starts = dict(zip(keys, ends, strict=False))

    def find(storage):
        if storage.key not in starts:
            raise FormatError(f"is damaged: lacks storage {storage.key[:50]!r}.")
        start = starts[storage.key] + _COUNT.size
        end = start + storage.byte_count
        if end > len(content):
            raise FormatError(f"is cut off at byte {len(content)}; byte {end} should be there.")
        if _COUNT.unpack_from(content, start - _COUNT.size) != (storage.count,):
            raise FormatError(f"is damaged: storage {storage.key[:50]!r} has another size here.")
        return memoryview(content)[start:end]

    return tree, find


def _read_zip(content):
    """`NAME/data.pkl`, and `NAME/data/KEY` a storage."""
    archive = _ZipOfStored(content)
    if "byteorder" in archive:
        _check_byte_order(archive.read("byteorder") == b"little")
    persistent, _ = _persistent()
    tree = PickleMachine(archive.read("data.pkl"), _NAMES, persistent=persistent).load()

    def find(storage):
        member = archive.read(f"data/{storage.key}")
        if len(member) != storage.byte_count:
            raise FormatError(
                f"is damaged: storage {storage.key[:50]!r} has {len(member)} bytes, not "
                f"{storage.byte_count}."
            )
        return member

    return tree, find


def _check_byte_order(little):
    if not little:
        raise FormatError("refused: was written on a big-endian machine.")


class _ZipOfStored:
    """The uncompressed members of PyTorch's zip, by their names below the top folder."""

    def __init__(self, content):
        with _zip_errors():
            self._archive = zipfile.ZipFile(io.BytesIO(content))
        members = self._archive.infolist()
        folders = [m.filename.partition("/")[0] for m in members if _ZIP_TREE.match(m.filename)]
        if len(folders) != 1:
            raise FormatError("is no PyTorch file, but another kind of zip: it lacks a data.pkl.")
        if any(m.compress_type != zipfile.ZIP_STORED for m in members):
            raise FormatError("refused: its members are compressed, which PyTorch never does.")
        if sum(m.file_size for m in members) > len(content):
            raise FormatError("refused: its members overlap.")
        self._members = {m.filename.removeprefix(folders[0] + "/"): m for m in members}

    def __contains__(self, name):
        return name in self._members

    def read(self, name):
        if name not in self._members:
            raise FormatError(f"is damaged: lacks its member {name[:50]!r}.")
        with _zip_errors():
            return self._archive.read(self._members[name])


@contextlib.contextmanager
def _zip_errors() -> Iterator[None]:
    try:
        yield
    except (*_ZIP_DAMAGE, OverflowError, RuntimeError, ValueError, LookupError) as error:
        raise FormatError(f"is a cut-off or damaged zip ({str(error)[:100]}).") from error
