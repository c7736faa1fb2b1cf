"""Bodies of KServe's Open Inference Protocol over REST: to arrays, and back.

Strings of outputs whose names end in `_bytes` are base64 where they stand in JSON; with the
extension for binary data, which `tritonclient` uses, they are as they are.
"""

import base64
import functools
import json
from dataclasses import dataclass

import numpy as np
from starlette.responses import Response

from dmgan_tf.serving import kserve_tensors
from dmgan_tf.serving.limits import ExpectedInputs
from dmgan_tf.serving.model import Tensors
from dmgan_tf.serving.prediction import Prediction
from dmgan_tf.serving.request_error import invalid
from dmgan_tf.serving.rest_json import array_of, json_answer, json_object

HEAD_SIZE = "Inference-Header-Content-Length"


@dataclass(frozen=True, slots=True)
class _Input:
    datatype: str
    shape: list[int]
    data: list | None
    raw: bytes


def parse(body: bytes, head_size: str | None) -> Prediction:
    """What an `infer` asks for. Raises: RequestError.

    Args: head_size: bytes of JSON before the binary data, from the header of that name.
    """
    head = _head_size(body, head_size)
    content = json_object(body[:head])
    parameters = _field(content, "parameters", dict, {})
    outputs = {
        _field(output, "name", str): _field(output, "parameters", dict, {}).get("binary_data")
        for output in _field(content, "outputs", list, [])
    }
    return Prediction(
        read=functools.partial(_read, _inputs(content, body[head:])),
        signature=_field(parameters, "signature_name", str, ""),
        outputs=tuple(outputs),
        respond=functools.partial(
            _respond,
            _field(content, "id", str, ""),
            outputs,
            parameters.get("binary_data_output") is True,
        ),
    )


def _head_size(body, given):
    if given is None:
        return len(body)
    if not (given.isascii() and given.isdigit() and len(given) < 12 and int(given) <= len(body)):
        raise invalid(f"{HEAD_SIZE} must be a size within the body. Received: {given[:20]!r}.")
    return int(given)


def _field(holder, name, kind, default=None):
    """A field of a JSON object, of the type that it must have; without a default it must be."""
    found = holder.get(name, default) if isinstance(holder, dict) else None
    if not isinstance(found, kind) or isinstance(found, bool):
        raise invalid(f"{name!r} must be a {kind.__name__}.")
    return found


def _inputs(content, binary):
    """The inputs by name, each with its share of the binary data."""
    found, start = {}, 0
    for item in _field(content, "inputs", list):
        shape = _field(item, "shape", list)
        if not all(type(size) is int for size in shape):
            raise invalid("'shape' must be a list of integers.")
        size = _field(_field(item, "parameters", dict, {}), "binary_data_size", int, 0)
        data = _field(item, "data", list) if "data" in item else None
        end = start + max(0, size)
        name = _field(item, "name", str)
        found[name] = _Input(_field(item, "datatype", str), shape, data, binary[start:end])
        start = end
    if start != len(binary):
        raise invalid(f"The body has {len(binary)} bytes of binary data; its inputs want {start}.")
    return found


def _read(inputs, expected: ExpectedInputs):
    expected.check_names(inputs)
    return {name: _array(name, value, expected) for name, value in inputs.items()}


def _array(name, value, expected):
    dtype = kserve_tensors.check(name, value.datatype, value.shape, expected)
    if value.data is None:
        return kserve_tensors.from_raw(name, value.raw, value.shape, dtype)
    array = array_of(name, value.data, dtype)
    if array.size != np.prod(value.shape, dtype=int):
        raise invalid(f"Input {name!r} has {array.size} values; its shape is {value.shape}.")
    return array.reshape(value.shape)


def _respond(request_id, binary, all_binary, name: str, version: int, outputs: Tensors):
    described, parts = [], []
    for key, array in outputs.items():
        output: dict[str, object] = {
            "name": key,
            "datatype": kserve_tensors.datatype(array.dtype),
            "shape": list(array.shape),
        }
        described.append(output)
        if binary.get(key, all_binary) is True:
            parts.append(kserve_tensors.to_raw(array))
            output["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            output["data"] = [_plain(key, value) for value in array.flat]
    content = {"model_name": name, "model_version": str(version), "outputs": described}
    if request_id:
        content["id"] = request_id
    if not parts:
        return json_answer(content)
    head = json.dumps(content).encode()
    return Response(
        b"".join([head, *parts]),
        headers={HEAD_SIZE: str(len(head))},
        media_type="application/octet-stream",
    )


def _plain(name, value):
    if not isinstance(value, bytes):
        return value.item()
    return (
        base64.b64encode(value).decode()
        if name.endswith("_bytes")
        else value.decode(errors="replace")
    )
