"""What a request may ask for: held against its signature before arrays are made of it."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from dmgan_tf.serving.model import Signature, Tensors, numpy_type
from dmgan_tf.serving.request_error import invalid

_MOST_DIMENSIONS = 32
_MOST_NAMES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a request may ask for, and how requests are batched.

    Attributes:
        batching: whether requests are joined. max_batch_size: rows of a request and of a batch.
        batch_timeout_seconds: how long the oldest request waits for others.
        max_calls: calls of a model at a time without batching.
        max_queued_rows: beyond it RESOURCE_EXHAUSTED.
        max_row_values: numbers or strings in a row of an input whose size a signature leaves open.
        max_string_bytes: of one input string.
        answer_seconds: how long a caller may wait who names no deadline.
        drain_seconds: how long a version may go on with what it has accepted.
    """

    batching: bool = True
    max_batch_size: int = 32
    batch_timeout_seconds: float = 0.002
    max_calls: int = 8
    max_queued_rows: int = 256
    max_row_values: int = 1024
    max_string_bytes: int = 2000
    answer_seconds: float = 60.0
    drain_seconds: float = 30.0


class ExpectedInputs:
    """The inputs that a signature takes: names and shapes first, values when they are arrays.

    Every check raises a RequestError.
    """

    def __init__(self, signature: Signature, limits: Limits):
        self.specs = signature.inputs
        self._batchable = signature.batchable
        self._limits = limits

    def check_count(self, count: int) -> None:
        """There are not so many inputs that their names should be read."""
        if count > max(_MOST_NAMES, len(self.specs)):
            raise invalid(f"input size does not match signature: {count}!={len(self.specs)}")

    def check_names(self, names: Collection[str]) -> None:
        """Exactly the signature's inputs are there."""
        self.check_count(len(names))
        found, wanted = set(names), set(self.specs)
        if found != wanted:
            raise invalid(
                f"input size does not match signature: {len(found)}!={len(wanted)} "
                f"Sent extra: {sorted(found - wanted)}. "
                f"Missing but required: {sorted(wanted - found)}."
            )

    def check_rows(self, rows: int) -> None:
        """There are no more rows than a batch may have."""
        most = self._limits.max_batch_size
        if self._batchable and rows > most:
            raise invalid(f"Task size {rows} is larger than maximum input batch size {most}")

    def check_rank(self, name: str, rank: int) -> None:
        """A shape is short enough to be looked at."""
        if rank > _MOST_DIMENSIONS:
            raise invalid(
                f"Input {name!r} has {rank} dimensions; at most {_MOST_DIMENSIONS} are taken."
            )

    def check_shape(self, name: str, shape: Sequence[int]) -> None:
        """The shape is the signature's, and small enough."""
        spec = self.specs[name]
        if shape:
            self.check_rows(shape[0])
        if not spec.shape.is_compatible_with(shape):
            raise invalid(
                f"Input {name!r} must have the shape {_shown(spec.shape)}. Received: "
                f"{_shown(shape)}."
            )
        if 0 in shape:
            what = "rows" if shape[0] == 0 else "values"
            raise invalid(f"Input {name!r} has no {what}. Received: {_shown(shape)}.")
        row = slice(1, None) if self._batchable else slice(None)
        values, most = math.prod(shape[row]), self._limits.max_row_values
        if values > most and not spec.shape[row].is_fully_defined():
            raise invalid(f"Input {name!r} has {values} values in a row; at most {most} are taken.")

    def check_values(self, inputs: Tensors) -> None:
        """Types, shapes, strings, and equal numbers of rows."""
        self.check_names(inputs)
        for name, array in inputs.items():
            self._check_type(name, array)
            self.check_shape(name, array.shape)
            if array.dtype == object:
                self._check_strings(name, array)
        sizes = {name: len(array) for name, array in inputs.items() if array.ndim}
        if self._batchable and len(set(sizes.values())) > 1:
            raise invalid(
                f"Batching session Run() input tensors must have equal 0th-dimension "
                f"size. Received: {sizes}."
            )

    def _check_type(self, name, array):
        wanted = self.specs[name].dtype
        if array.dtype != numpy_type(wanted):
            found = "string" if array.dtype == object else array.dtype.name
            raise invalid(f"Expects input {name!r} to be {wanted.name} but {found} is provided.")

    def _check_strings(self, name, array):
        longest, most = max(map(len, array.flat)), self._limits.max_string_bytes
        if longest > most:
            raise invalid(
                f"Input {name!r} holds a string of {longest} bytes; at most {most} are taken."
            )


def _shown(shape):
    return "[" + ",".join("?" if size is None else str(size) for size in shape) + "]"
