"""TF Serving's REST interface over `ServedModels`, and `/metrics`.

    POST /v1/models/NAME[/versions/N|/labels/LABEL]:predict   {"instances": [{"caption": …}, …]}
    GET  /v1/models/NAME[/versions/N|/labels/LABEL]           state of the versions
    GET  /v1/models/NAME[/versions/N|/labels/LABEL]/metadata  signatures
    GET  /metrics                                             for Prometheus
    GET  /openapi.json                                        what the interface is

Only predictions take time: their bodies are read by a few threads, and they wait without one.
Everything else is answered at once.
"""

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import cast

import anyio
import grpc
import yaml
from google.protobuf.json_format import MessageToDict
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dmgan_tf.serving import metrics, rest_json, tracing
from dmgan_tf.serving.model import Tensors
from dmgan_tf.serving.prediction import Prediction
from dmgan_tf.serving.request_error import RequestError, told
from dmgan_tf.serving.served_model import Choice, ServedModel, version_number
from dmgan_tf.serving.served_models import ServedModels

_STATUS = {
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.UNAVAILABLE: 503,
}
_PASSING = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE)
_PARSING_THREADS = 4
# A caller that is answered while it still sends may see a broken connection in place of the answer.
_MOST_DROPPED_BYTES = 2**24


class RestInterface:
    """How requests that name a model are answered; `routes` are those of TF Serving.

    Args: max_body_bytes: int > 0. receive_seconds: float > 0, for a body to arrive.
    """

    def __init__(self, models: ServedModels, max_body_bytes: int, receive_seconds: float):
        self.models = models
        self._max_body_bytes = max_body_bytes
        self._receive_seconds = receive_seconds
        self._threads = anyio.CapacityLimiter(_PARSING_THREADS)

    def routes(self) -> list[Route]:
        """TF Serving's routes, and those of the metrics and of the description."""
        routes = [Route("/metrics", _metrics), Route("/openapi.json", _description)]
        for version in ("", "/versions/{version}", "/labels/{label}"):
            # The longest tails first: a name may hold anything but a slash.
            base = "/v1/models/{name}" + version
            predict = functools.partial(self.predict, rest_json.parse)
            routes.append(self.counted(base + ":predict", predict, "POST"))
            routes.append(Route(base + ":predict", _post_only))
            routes.append(self.counted(base + "/metadata", self._metadata))
            routes.append(self.counted(base, self._status))
        return routes

    def counted(
        self,
        path: str,
        answer: Callable[[Request, ServedModel], Awaitable[Response]],
        method: str = "GET",
    ) -> Route:
        """A route of requests that name a model: errors as JSON, metrics, traces."""

        async def handle(request: Request) -> Response:
            start, code = time.monotonic(), grpc.StatusCode.CANCELLED
            name, attributes = request.path_params["name"], {"http_route": path}
            attributes["http_request_method"] = request.method
            with tracing.request(f"{request.method} {path}", request.headers, **attributes):
                try:
                    response = await answer(request, self.models[name])
                    code = grpc.StatusCode.OK
                    return response
                except HTTPException:
                    code = grpc.StatusCode.INVALID_ARGUMENT
                    raise
                except Exception as error:
                    code, message = told(error)
                    headers = {"Retry-After": "1"} if code in _PASSING else None
                    return JSONResponse({"error": message}, _STATUS.get(code, 500), headers)
                finally:
                    label = name if name in self.models else ""
                    metrics.count(label, "rest", code.name, time.monotonic() - start)
                    tracing.ended(label, code.name)

        return Route(path, handle, methods=[method])

    async def predict(
        self, parse: Callable[[bytes], Prediction], request: Request, served: ServedModel
    ) -> Response:
        """The answer to a body, which `parse` reads."""

        def submit(body):
            # An error is told, not raised: as a task's error it would keep its frames, and with
            # them what was parsed, until the garbage is collected.
            try:
                asked = parse(body)
                arguments = asked.read, asked.signature, choice_of(request), asked.outputs, deadline
                version, future = self.models.submit(served.name, *arguments)
                return None, (asked.respond, asked.outputs, version, future)
            except Exception as error:
                return told(error), None

        body = await self._body(request)
        deadline = time.monotonic() + self.models.limits.answer_seconds
        refused, submitted = await self._in_thread(submit, body)
        del body  # many may wait
        if refused:
            raise RequestError(*refused)
        respond, names, version, future = submitted
        outputs = await _outputs(request, future, deadline)
        wanted = {name: outputs[name] for name in names or outputs}
        return await self._in_thread(respond, served.name, version, wanted)

    async def _in_thread(self, function, *arguments):
        return await anyio.to_thread.run_sync(function, *arguments, limiter=self._threads)

    async def _body(self, request):
        most, body, size = self._max_body_bytes, bytearray(), 0
        refused = HTTPException(413, f"The body is larger than {most} bytes.")
        awaits_consent = "expect" in request.headers  # it sends nothing before it is told to
        declared = int(request.headers.get("content-length", 0))
        if declared > most and (awaits_consent or declared > most + _MOST_DROPPED_BYTES):
            raise refused
        try:
            async with asyncio.timeout(self._receive_seconds):
                async for part in request.stream():
                    size += len(part)
                    if size > most + _MOST_DROPPED_BYTES:
                        raise refused
                    if max(size, declared) <= most:
                        body += part
        except TimeoutError:
            message = f"The body took longer than {self._receive_seconds:g} s."
            raise HTTPException(408, message, {"Connection": "close"}) from None
        except ClientDisconnect:
            raise RequestError(grpc.StatusCode.CANCELLED, "The caller has gone.") from None
        if size > most:
            raise refused
        return bytes(body)

    async def _status(self, request: Request, served: ServedModel) -> Response:
        found = [
            {
                "version": str(number),
                "state": state,
                "status": {"error_code": "UNKNOWN" if error else "OK", "error_message": error},
            }
            for number, (state, error) in served.states(choice_of(request)).items()
        ]
        return JSONResponse({"model_version_status": found})

    async def _metadata(self, request: Request, served: ServedModel) -> Response:
        version, model = served.model(choice_of(request))
        signatures = MessageToDict(model.signature_defs, preserving_proto_field_name=True)
        return JSONResponse(
            {
                "model_spec": {
                    "name": served.name,
                    "signature_name": "",
                    "version": str(version),
                },
                "metadata": {"signature_def": signatures},
            }
        )


async def _outputs(request: Request, future: Future, deadline: float) -> Tensors:
    """What the model answers, unless the caller leaves or the deadline comes first."""
    answer = asyncio.wrap_future(future)
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait(
            {answer, gone},
            timeout=deadline - time.monotonic(),
            return_when=asyncio.FIRST_COMPLETED,
        )
        if answer.done():
            return answer.result()
        if gone.done():
            raise RequestError(grpc.StatusCode.CANCELLED, "The caller has gone.")
        raise RequestError(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
    finally:
        gone.cancel()
        answer.cancel()


async def _disconnected(request):
    while (await request.receive())["type"] != "http.disconnect":
        pass


def choice_of(request: Request) -> Choice:
    """The version that an address names. Raises: RequestError."""
    label, version = (request.path_params.get(name) for name in ("label", "version"))
    if version is None:
        return label
    return version_number(version)


async def _post_only(request: Request) -> Response:
    raise HTTPException(405, headers={"Allow": "POST"})


async def _metrics(request: Request) -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _description(request: Request) -> Response:
    return JSONResponse(openapi())


@functools.cache
def openapi() -> dict:
    """The interface's description by OpenAPI."""
    return yaml.safe_load((Path(__file__).parent / "openapi.yaml").read_text(encoding="utf-8"))


def application(routes: Sequence[Route]) -> Starlette:
    """An ASGI application whose errors are JSON."""
    return Starlette(routes=routes, exception_handlers={HTTPException: _http_error})


async def _http_error(request: Request, error: Exception) -> Response:
    failed = cast(HTTPException, error)
    return JSONResponse({"error": failed.detail}, failed.status_code, failed.headers)
