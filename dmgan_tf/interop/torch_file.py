"""State dictionaries of `.pth` files, read and written without PyTorch and without running them."""

import math
import pickle
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from dmgan_tf.errors import UserError
from dmgan_tf.interop.pickle_bytes import FormatError
from dmgan_tf.interop.restricted_pickle import read_bytes
from dmgan_tf.interop.torch_formats import BFLOAT16, DTYPES, Storage, Tensor, read_tree
from dmgan_tf.whole_file import whole_file

_ALIGNMENT = 64  # bytes
_PADDING = struct.Struct("<2sH")  # head of an extra field of a zip's member


def read_state_dict(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a `.pth` file by name, in the order of the file.

    The file holds a dictionary of tensors, or a dictionary with exactly one such dictionary in it
    (`{"state_dict": …, "epoch": …}`). The `module.` that DataParallel puts before every name is
    taken off.

    Returns: read-only views of the file's contents, of the file's dtypes; bfloat16 as float32.
    Raises: UserError: when the file can't be read, is cut off or damaged, is of another kind, or
        names anything but tensors and dictionaries.
    """
    content = read_bytes(path)
    try:
        tree, find = read_tree(content)
        return _arrays(_state(tree), find)
    except FormatError as error:
        raise UserError(f"{path}: {error}") from error


def _state(tree):
    """The dictionary of tensors in what was read."""
    if _is_state(tree):
        state = tree
    else:
        values = tree.values() if isinstance(tree, dict) else ()
        once = {id(value): value for value in values}  # a file may name one again and again
        inner = [value for value in once.values() if _is_state(value)]
        if len(inner) != 1:
            found = _contents(tree)
            raise FormatError(f"holds {found} where one dictionary of tensors is expected.")
        state = inner[0]
    if all(name.startswith("module.") for name in state):
        return {name.removeprefix("module."): tensor for name, tensor in state.items()}
    return state


def _is_state(value):
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in value.items())
    )


def _contents(tree):
    if not isinstance(tree, dict):
        return f"a {type(tree).__name__}"
    kinds = [f"{str(k)[:50]} ({type(v).__name__})" for k, v in tree.items()]
    return f"a dictionary of {', '.join(kinds[:5])}" if kinds else "an empty dictionary"


def _arrays(state: dict[str, Tensor], content: Callable[[Storage], bytes | memoryview]):
    arrays: dict[str, np.ndarray] = {}
    result = {}
    for name, tensor in state.items():
        key = tensor.storage.key
        try:
            if key not in arrays:
                arrays[key] = _elements(content(tensor.storage), tensor.storage)
            result[name] = _view(tensor, arrays[key])
        except FormatError as error:
            raise FormatError(f"{name[:100]} {list(tensor.shape)}: {error}") from error
    return result


def _elements(content, storage):
    array = np.frombuffer(content, DTYPES[storage.kind], storage.count)
    if storage.kind == BFLOAT16:  # the upper half of a float32
        array = (array.astype("<u4") << 16).view("<f4")
    return array


def _view(tensor, array):
    array = array[tensor.storage.part]
    elements = math.prod(tensor.shape)
    steps = zip(tensor.shape, tensor.strides, strict=True)
    last = tensor.offset + sum((size - 1) * stride for size, stride in steps)
    if elements > len(array) or (elements and last >= len(array)):
        raise FormatError(
            f"is damaged: offset {tensor.offset} and strides {list(tensor.strides)} lead beyond "
            f"its storage of {len(array)} elements."
        )
    strides = [stride * array.itemsize for stride in tensor.strides]
    try:
        return np.ndarray(tensor.shape, array.dtype, array[tensor.offset :], strides=strides)
    except ValueError as error:
        raise FormatError(f"is damaged: {error}.") from error


# --- writing ------------------------------------------------------------------------------------


def write_state_dict(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes tensors as a zip-form `.pth`, the same bytes for the same arrays, at one go.

    Raises: ValueError: when an array is of a dtype that `read_state_dict` has no storage for.
    """
    kinds = {dtype: kind for kind, dtype in DTYPES.items() if kind != BFLOAT16}
    members = {"data.pkl": b"", "byteorder": b"little"}
    tree = [pickle.PROTO, b"\2", _EMPTY_DICTIONARY, pickle.MARK]
    for number, (name, array) in enumerate(arrays.items()):
        if array.dtype not in kinds:
            raise ValueError(f"`{name}` is of a dtype that can't be written: {array.dtype}.")
        kind = kinds[array.dtype]
        tree += [_text(name), _tensor_instructions(kind, str(number), array.shape)]
        members[f"data/{number}"] = array.astype(DTYPES[kind]).tobytes()
    members["data.pkl"] = b"".join([*tree, pickle.SETITEMS, pickle.STOP])
    members["version"] = b"3\n"
    with (
        whole_file(path) as partial,
        partial.open("wb") as file,
        zipfile.ZipFile(file, "w") as archive,
    ):
        for name, content in members.items():
            archive.writestr(_aligned(f"archive/{name}", file.tell()), content)


def _aligned(name, position):
    """A member without a date, whose content begins at a multiple of 64 bytes, as PyTorch's do."""
    member = zipfile.ZipInfo(name)
    header = position + zipfile.sizeFileHeader + len(name) + _PADDING.size
    padding = -header % _ALIGNMENT
    member.extra = _PADDING.pack(b"FB", padding) + bytes(padding)
    return member


def _tensor_instructions(kind, key, shape):
    """Pickle instructions for a tensor that is all of its storage."""
    strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    storage = [_text("storage"), _name("torch", kind), _text(key), _text("cpu")]
    return b"".join(
        [
            _name("torch._utils", "_rebuild_tensor_v2"),
            pickle.MARK,
            *(pickle.MARK, *storage, _number(math.prod(shape)), pickle.TUPLE, pickle.BINPERSID),
            *(_number(0), _numbers(shape), _numbers(strides)),
            *(pickle.NEWFALSE, _EMPTY_DICTIONARY),  # no gradient, no hooks
            *(pickle.TUPLE, pickle.REDUCE),
        ]
    )


def _text(text):
    content = text.encode()
    return pickle.BINUNICODE + struct.pack("<I", len(content)) + content


def _number(number):
    return pickle.BININT + struct.pack("<i", number)


def _numbers(numbers):
    return pickle.MARK + b"".join(map(_number, numbers)) + pickle.TUPLE


def _name(module, name):
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()


_EMPTY_DICTIONARY = _name("collections", "OrderedDict") + pickle.EMPTY_TUPLE + pickle.REDUCE
