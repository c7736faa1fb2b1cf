"""TF Serving's REST interface over `Models`, and `/metrics`.

    POST /v1/models/NAME[/versions/N]:predict   {"instances": [{"caption": …, "seed": 1}, …]}
    GET  /v1/models/NAME[/versions/N]           state of the versions
    GET  /v1/models/NAME[/versions/N]/metadata  signatures
    GET  /metrics                               for Prometheus

Strings of names ending in `_bytes` are answered as {"b64": …}, and taken so under any name.
"""

import base64
import binascii
import json
import time

import grpc
import numpy as np
from google.protobuf.json_format import MessageToDict
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dmgan_tf.serving.metrics import LATENCY, REQUESTS
from dmgan_tf.serving.model import DEFAULT_SIGNATURE, Model, RequestError, invalid
from dmgan_tf.serving.models import Models

_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNAVAILABLE: 503,
}


def application(models: Models, max_message_bytes: int) -> Starlette:
    """The ASGI application."""

    async def predict(request: Request) -> Response:
        body = await _body(request, max_message_bytes)
        return await run_in_threadpool(
            _measured, models, request, lambda: _predict(models, request, body)
        )

    async def status(request: Request) -> Response:
        return await run_in_threadpool(_measured, models, request, lambda: _status(models, request))

    async def metadata(request: Request) -> Response:
        return await run_in_threadpool(
            _measured, models, request, lambda: _metadata(models, request)
        )

    async def metrics(request: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    async def too_large(request: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, 413)

    routes = [Route("/metrics", metrics)]
    for version in ("", "/versions/{version:int}"):
        # The longest tails first: a name may hold anything but a slash.
        base = "/v1/models/{name}" + version
        routes.append(Route(base + ":predict", predict, methods=["POST"]))
        routes.append(Route(base + "/metadata", metadata))
        routes.append(Route(base, status))
    return Starlette(routes=routes, exception_handlers={_TooLargeError: too_large})


class _TooLargeError(Exception):
    pass


async def _body(request, most):
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise _TooLargeError(f"The request is larger than {most} bytes.")
        parts.append(part)
    return b"".join(parts)


def _measured(models, request, answer):
    start, name = time.perf_counter(), request.path_params["name"]
    try:
        code, response = grpc.StatusCode.OK, JSONResponse(answer())
    except RequestError as error:
        code = error.code
        response = JSONResponse({"error": str(error)}, _STATUS.get(code, 500))
    except Exception as error:  # such as an answer that JSON can't say
        code = grpc.StatusCode.INTERNAL
        reason = " ".join(str(error).split())[:300]
        response = JSONResponse({"error": f"{type(error).__name__}: {reason}"}, 500)
    label = name if name in models else ""
    REQUESTS.labels(label, "rest", code.name).inc()
    LATENCY.labels(label, "rest").observe(time.perf_counter() - start)
    return response


def _predict(models, request, body):
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise invalid(f"JSON Parse error: {error}") from error
    if not isinstance(content, dict) or ("instances" in content) == ("inputs" in content):
        raise invalid('JSON must be an object with either "instances" or "inputs".')
    signature = content.get("signature_name", DEFAULT_SIGNATURE)
    if not isinstance(signature, str):
        raise invalid('"signature_name" must be a string.')
    served, version = models[request.path_params["name"]], request.path_params.get("version")
    _, model = served.model(version)
    specs = model.input_types(signature)
    in_rows = "instances" in content
    columns = _columns(content["instances"], specs) if in_rows else content["inputs"]
    if not isinstance(columns, dict):
        columns = _only(specs, columns)
    inputs = {name: _array(name, values, specs.get(name)) for name, values in columns.items()}
    _, outputs = served.predict(inputs, signature, version)
    values = {name: _plain(name, array) for name, array in outputs.items()}
    if not in_rows:
        return {"outputs": values if len(values) > 1 else next(iter(values.values()))}
    if len(values) == 1:
        return {"predictions": next(iter(values.values()))}
    rows = zip(*values.values(), strict=True)
    return {"predictions": [dict(zip(values, row, strict=True)) for row in rows]}


def _columns(instances, specs):
    if not isinstance(instances, list) or not instances:
        raise invalid('"instances" must be a list that is not empty.')
    rows = [row if _is_row(row) else _only(specs, row) for row in instances]
    if any(set(row) != set(rows[0]) for row in rows):
        raise invalid("All instances must name the same inputs.")
    return {name: [row[name] for row in rows] for name in rows[0]}


def _is_row(value):
    return isinstance(value, dict) and set(value) != {"b64"}


def _only(specs, value):
    if len(specs) != 1:
        raise invalid(f"The signature has the inputs {sorted(specs)}: name them in every instance.")
    return {next(iter(specs)): value}


def _array(name, values, dtype):
    """An array of the type that the signature wants; `dtype` None: an input that it lacks."""
    try:
        decoded = _decoded(values)
        if dtype is None:
            return np.asarray(decoded)
        if dtype == np.dtype(object):
            array = np.array(decoded, object)
            if not all(isinstance(value, bytes) for value in array.flat):
                raise ValueError("strings are wanted")
            return array
        array = np.array(decoded)
        if array.dtype == object or not np.can_cast(array.dtype, dtype, "same_kind"):
            raise ValueError(f"{dtype.name} is wanted")
        if dtype.kind in "iu" and array.size:
            limits = np.iinfo(dtype)
            if array.min() < limits.min or array.max() > limits.max:
                raise ValueError(f"{dtype.name} is wanted")
        return array.astype(dtype)
    except (ValueError, TypeError, OverflowError, RecursionError, binascii.Error) as error:
        raise invalid(f"Failed to process input {name!r}: {error}") from error


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


def _status(models, request):
    served, wanted = models[request.path_params["name"]], request.path_params.get("version")
    found = [
        {
            "version": str(number),
            "state": state,
            "status": {"error_code": "UNKNOWN" if error else "OK", "error_message": error},
        }
        for number, (state, error) in served.states().items()
        if wanted in (None, number)
    ]
    if not found:
        raise RequestError(
            grpc.StatusCode.NOT_FOUND, f"Could not find version {wanted} of model {served.name}"
        )
    return {"model_version_status": found}


def _metadata(models, request):
    served = models[request.path_params["name"]]
    model: Model
    version, model = served.model(request.path_params.get("version"))
    return {
        "model_spec": {"name": served.name, "signature_name": "", "version": str(version)},
        "metadata": {
            "signature_def": MessageToDict(model.signature_defs, preserving_proto_field_name=True)
        },
    }
