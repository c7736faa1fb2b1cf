"""The JSON of TF Serving's REST interface: to arrays, and back.

Strings of names ending in `_bytes` are answered as {"b64": …}, and taken so under any name.
"""

import base64
import binascii
import functools
import json

import numpy as np
from starlette.responses import Response

from dmgan_tf.serving.limits import ExpectedInputs
from dmgan_tf.serving.model import Tensors, numpy_type
from dmgan_tf.serving.prediction import Prediction
from dmgan_tf.serving.request_error import invalid


def json_answer(content: object) -> Response:
    """An answer of JSON with NaN, Infinity and -Infinity in it, as TF Serving writes them."""
    return Response(json.dumps(content, separators=(",", ":")), media_type="application/json")


def json_object(body: bytes) -> dict:
    """The object that a body holds. Raises: RequestError."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise invalid(f"JSON Parse error: {error}") from error
    if not isinstance(content, dict):
        raise invalid("JSON must be an object.")
    return content


def parse(body: bytes) -> Prediction:
    """What a `:predict` asks for. Raises: RequestError."""
    content = json_object(body)
    if ("instances" in content) == ("inputs" in content):
        raise invalid('JSON must be an object with either "instances" or "inputs".')
    signature = content.get("signature_name", "")
    if not isinstance(signature, str):
        raise invalid('"signature_name" must be a string.')
    return Prediction(
        read=functools.partial(_read, content),
        signature=signature,
        respond=_rows if "instances" in content else _columns,
    )


def _read(content, expected: ExpectedInputs):
    if "instances" in content:
        columns = _turned(content["instances"], expected)
    else:
        columns = content["inputs"]
        columns = columns if isinstance(columns, dict) else _only(expected, columns)
    expected.check_names(columns)
    return {name: _array(name, values, expected) for name, values in columns.items()}


def _turned(instances, expected):
    if not isinstance(instances, list) or not instances:
        raise invalid('"instances" must be a list that is not empty.')
    expected.check_rows(len(instances))
    rows = [row if _is_row(row) else _only(expected, row) for row in instances]
    if any(set(row) != set(rows[0]) for row in rows):
        raise invalid("All instances must name the same inputs.")
    return {name: [row[name] for row in rows] for name in rows[0]}


def _is_row(value):
    return isinstance(value, dict) and set(value) != {"b64"}


def _only(expected, value):
    names = sorted(expected.specs)
    if len(names) != 1:
        raise invalid(f"The signature has the inputs {names}: name them in every instance.")
    return {names[0]: value}


def _array(name, values, expected):
    expected.check_shape(name, _shape(values))
    return array_of(name, values, numpy_type(expected.specs[name].dtype))


def array_of(name: str, values: object, dtype: np.dtype) -> np.ndarray:
    """An array of JSON's values, of the type that is wanted. Raises: RequestError."""
    try:
        decoded = _decoded(values)
        if dtype == np.dtype(object):
            array = np.array(decoded, object)
            if not all(isinstance(value, bytes) for value in array.flat):
                raise ValueError("strings are wanted")
            return array
        array = np.array(decoded)
        whole = {array.dtype.kind, dtype.kind} <= {"i", "u"}  # their range is looked at below
        if not whole and not np.can_cast(array.dtype, dtype, "same_kind"):
            raise ValueError(f"{dtype.name} is wanted")
        if dtype.kind in "iu" and array.size:
            limits = np.iinfo(dtype)
            if array.min() < limits.min or array.max() > limits.max:
                raise ValueError(f"{dtype.name} is wanted")
        with np.errstate(over="raise"):
            return array.astype(dtype)
    except (ValueError, TypeError, ArithmeticError, RecursionError, binascii.Error) as error:
        raise invalid(f"Failed to process input {name!r}: {error}") from error


def _shape(values):
    """The shape of nested lists; lists of unequal lengths are found when they become an array."""
    shape = []
    while isinstance(values, list):
        shape.append(len(values))
        values = values[0] if values else None
    return shape


def _decoded(value):
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    if isinstance(value, dict):
        if set(value) != {"b64"} or not isinstance(value["b64"], str):
            raise ValueError('an object must be {"b64": …}')
        return base64.b64decode(value["b64"], validate=True)
    if isinstance(value, str):
        return value.encode("utf-8")  # a lone surrogate raises
    return value


def _rows(name: str, version: int, outputs: Tensors):
    values = {key: _plain(key, array) for key, array in outputs.items()}
    if len(values) == 1:
        return json_answer({"predictions": next(iter(values.values()))})
    rows = zip(*values.values(), strict=True)
    return json_answer({"predictions": [dict(zip(values, row, strict=True)) for row in rows]})


def _columns(name: str, version: int, outputs: Tensors):
    values = {key: _plain(key, array) for key, array in outputs.items()}
    return json_answer({"outputs": values if len(values) > 1 else next(iter(values.values()))})


def _plain(name, array):
    if array.dtype != object:
        return array.tolist()
    in_base64 = name.endswith("_bytes")

    def plain(value):
        if isinstance(value, list):
            return [plain(item) for item in value]
        if in_base64:
            return {"b64": base64.b64encode(value).decode()}
        return value.decode("utf-8", "replace")

    return plain(array.tolist())
