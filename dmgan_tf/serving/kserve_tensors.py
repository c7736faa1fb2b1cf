"""Tensors of KServe's Open Inference Protocol: names of types, and raw bytes.

Raw numbers are little-endian, row by row; each raw string has its length before it, 4 bytes.
"""

import math
import struct
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from dmgan_tf.serving.limits import ExpectedInputs
from dmgan_tf.serving.model import Signature, numpy_type
from dmgan_tf.serving.request_error import invalid

_NAMES = {
    np.dtype(object): "BYTES",
    np.dtype(bool): "BOOL",
    **{np.dtype(f"uint{bits}"): f"UINT{bits}" for bits in (8, 16, 32, 64)},
    **{np.dtype(f"int{bits}"): f"INT{bits}" for bits in (8, 16, 32, 64)},
    **{np.dtype(f"float{bits}"): f"FP{bits}" for bits in (16, 32, 64)},
}
_LENGTH = struct.Struct("<I")
PLATFORM = "tensorflow_savedmodel"


def datatype(dtype: np.dtype) -> str:
    """The protocol's name of a type; UNKNOWN where it has none."""
    return _NAMES.get(dtype, "UNKNOWN")


def described(specs: dict[str, tf.TensorSpec]) -> list[dict]:
    """Inputs or outputs of a signature, as a model's metadata has them; sizes left open are −1."""
    return [
        {
            "name": name,
            "datatype": datatype(numpy_type(spec.dtype)),
            "shape": [-1 if size is None else size for size in spec.shape]
            if spec.shape.rank
            else [],
        }
        for name, spec in sorted(specs.items())
    ]


def metadata(name: str, versions: Sequence[int], signature: Signature) -> dict:
    """A model's metadata."""
    return {
        "name": name,
        "versions": [str(version) for version in versions],
        "platform": PLATFORM,
        "inputs": described(signature.inputs),
        "outputs": described(signature.outputs),
    }


def check(name: str, type_name: str, shape: Sequence[int], expected: ExpectedInputs) -> np.dtype:
    """The type of an input that is what the signature takes. Raises: RequestError."""
    dtype = numpy_type(expected.specs[name].dtype)
    if type_name != datatype(dtype):
        raise invalid(f"Expects input {name!r} to be {datatype(dtype)}. Received: {type_name}.")
    expected.check_rank(name, len(shape))
    if any(size < 0 for size in shape):
        raise invalid(f"Input {name!r} is no tensor: its shape is not known.")
    expected.check_shape(name, shape)
    return dtype


def from_raw(name: str, raw: bytes, shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    """An array of its bytes. Raises: RequestError."""
    count = math.prod(shape)
    if dtype == np.dtype(object):
        array = np.empty(count, object)
        array[:] = _strings(name, raw, count)
        return array.reshape(shape)
    if len(raw) != count * dtype.itemsize:
        raise invalid(
            f"Input {name!r} has {len(raw)} bytes; its shape wants {count * dtype.itemsize}."
        )
    return np.frombuffer(raw, dtype.newbyteorder("<")).astype(dtype).reshape(shape)


def _strings(name, raw, count):
    found, start = [], 0
    while start + _LENGTH.size <= len(raw) and len(found) < count:
        (size,) = _LENGTH.unpack_from(raw, start)
        start += _LENGTH.size + size
        found.append(raw[start - size : start])
    if len(found) != count or start != len(raw):
        raise invalid(f"Input {name!r} holds not the {count} strings that its shape wants.")
    return found


def to_raw(array: np.ndarray) -> bytes:
    """The bytes of an array."""
    if array.dtype != object:
        return array.astype(array.dtype.newbyteorder("<")).tobytes()
    return b"".join(_LENGTH.pack(len(value)) + value for value in array.flat)
