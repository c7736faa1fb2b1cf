"""The authors' lists out of strangers' pickle files: captions, file names, class ids.

Nothing from a file is ever run. Beside plain data only NumPy's numbers and arrays are known, under
the module names of all its versions, and built here from their bytes.
"""

import contextlib
import math
import pickle
import re
from functools import partial
from pathlib import Path

import numpy as np

from dmgan_tf.errors import UserError
from dmgan_tf.interop.pickle_bytes import FormatError
from dmgan_tf.interop.pickle_machine import PickleMachine, Unfinished

_MOST_BYTES = 2**32
_MOST_AXES = 32  # NumPy's own limit until 2.0
_MOST_ELEMENTS = 2**63 - 1
_PLAIN_DTYPE = re.compile(r"[biufcSU]\d{1,6}")


def read_bytes(path: Path) -> bytes:
    """A whole file.

    Raises: UserError: when it can't be read, is empty, or is larger than any file of this kind.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UserError(f"{path}: refused: is larger than {_MOST_BYTES:,} bytes.")
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}.") from error
    if not content:
        raise UserError(f"{path}: is empty.")
    return content


def read_pickle(path: Path) -> object:
    """Plain data of a pickle of any protocol, also of Python 2, also with line ends turned CR LF.

    Returns: numbers, text, bytes, lists, tuples, dictionaries, NumPy's numbers and arrays.
    Raises: UserError: when the file can't be read, is cut off or damaged, or names anything else.
    """
    content = read_bytes(path)
    try:
        return _load(content)
    except FormatError as error:
        raise UserError(f"{path}: {error}") from error


def _load(content):
    line_ends = content.count(b"\n")
    readings = [content]
    if line_ends and content.count(b"\r\n") == line_ends:
        turned_back = content.replace(b"\r\n", b"\n")
        # Protocol 0 would read either way, but keep the CR in texts. Of a later protocol the two
        # bytes may be a number, which then reads only as it is.
        readings.insert(1 if content.startswith(pickle.PROTO) else 0, turned_back)
    try:
        return PickleMachine(readings[0], _NAMES).load()
    except FormatError:
        for reading in readings[1:]:
            with contextlib.suppress(FormatError):
                return PickleMachine(reading, _NAMES).load()
        raise


def _dtype(code, *_):
    if not isinstance(code, str) or not _PLAIN_DTYPE.fullmatch(code):
        raise FormatError(f"refused: holds a NumPy dtype {_short(code)}, not a plain one.")
    return Unfinished(partial(_finish_dtype, np.dtype(code)))


def _finish_dtype(dtype, state):
    if not isinstance(state, tuple):
        raise TypeError("a dtype's contents are no tuple")
    _, order, subtype, names, fields, *_ = state
    if order not in ("<", ">", "|", "=") or any(p is not None for p in (subtype, names, fields)):
        raise FormatError("refused: holds a NumPy dtype that isn't a plain one.")
    return dtype.newbyteorder(order)


def _scalar(dtype, content):
    return _filled(dtype, (), content)[()]


def _empty_array(*_):
    return Unfinished(lambda state: _filled(state[2], state[1], state[4], "F" if state[3] else "C"))


def _array_of_buffer(content, dtype, shape, order):
    return _filled(dtype, shape, content, order)


def _filled(dtype, shape, content, order="C"):
    """An array from the bytes of its values; all arguments come from the file."""
    content = content.encode("latin-1") if isinstance(content, str) else content
    if not isinstance(dtype, np.dtype) or not isinstance(content, bytes) or order not in ("C", "F"):
        raise FormatError("refused: holds a NumPy array of something else than plain values.")
    if not isinstance(shape, tuple) or len(shape) > _MOST_AXES:
        raise TypeError(f"an array's shape must be a tuple of at most {_MOST_AXES} axes")
    if not all(isinstance(size, int) and 0 <= size <= _MOST_ELEMENTS for size in shape):
        raise TypeError("an array's shape must be of whole numbers from 0 on")
    if math.prod(shape) * dtype.itemsize != len(content):
        raise FormatError(
            f"is damaged: holds {len(content)} bytes for a NumPy array {shape[:8]} of {dtype}."
        )
    return np.frombuffer(content, dtype).reshape(shape, order=order).copy()


def _encode(text, encoding):
    if encoding not in ("latin1", "latin-1"):
        raise FormatError(f"refused: holds bytes in the encoding {_short(encoding)}.")
    return text.encode("latin-1")


def _short(value):
    return repr(value[:50]) if isinstance(value, str) else f"of type {type(value).__name__}"


_NAMES: dict[str, object] = {
    "numpy.dtype": _dtype,
    "numpy.ndarray": None,
    "_codecs.encode": _encode,  # how Python 3 writes bytes at protocols 0 to 2 …
    "__builtin__.bytes": lambda: b"",  # … and no bytes at all
    "builtins.bytes": lambda: b"",
}
for _core in ("numpy.core", "numpy._core"):
    _NAMES[f"{_core}.multiarray.scalar"] = _scalar
    _NAMES[f"{_core}.multiarray._reconstruct"] = _empty_array
    _NAMES[f"{_core}.numeric._frombuffer"] = _array_of_buffer
