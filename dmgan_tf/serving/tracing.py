"""Traces by OpenTelemetry: a span a request, and its children: the wait in the queue, the model.

On where OpenTelemetry's own variables name a receiver, such as OTEL_EXPORTER_OTLP_ENDPOINT; until
`start` nothing of it is imported, and every other function does nothing.
"""

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from dmgan_tf.errors import UserError

_ENDPOINTS = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"
_PROTOCOLS = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"
_SPOKEN = "http/protobuf"
# Of the codes of gRPC, those that are the server's fault.
_FAULTS = {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}

_STOP_SECONDS = 3.0

_tracer: Any = None
_stop = None


def start() -> None:
    """Sends spans from now on, where the variables ask for it.

    Raises: UserError: for another protocol than OTLP over HTTP, and where packages are missing.
    """
    global _tracer, _stop
    if not (named := [name for name in _ENDPOINTS if os.environ.get(name)]):
        return
    if (
        os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
        or os.environ.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp"
    ):
        return
    for name in filter(os.environ.get, _PROTOCOLS):
        if (protocol := os.environ[name]) != _SPOKEN:
            raise UserError(f"{name} must be {_SPOKEN}. Received: {protocol}.")
        break  # the first that is set holds
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise UserError(
            f"{named[0]} is set, and traces need more packages: pip install 'dmgan_tf[tracing]' "
            f"({error})."
        ) from error
    ours = Resource.create({"service.name": "dmgan"})
    resource = ours.merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _tracer, _stop = provider.get_tracer("dmgan_tf.serving"), provider.shutdown


def stop() -> None:
    """Sends what is left; a receiver that doesn't answer holds up the end for 3 s at most."""
    if _stop:
        thread = threading.Thread(target=_stop, daemon=True)
        thread.start()
        thread.join(_STOP_SECONDS)


@contextlib.contextmanager
def request(name: str, headers: Mapping[str, str], **attributes: str) -> Iterator[None]:
    """A span for what is done within, below the caller's, which the headers may name.

    Args: headers: their names in small letters. attributes: of the span, with _ for each dot.
    """
    if _tracer is None:
        yield
        return
    from opentelemetry import propagate, trace

    with _tracer.start_as_current_span(
        name,
        propagate.extract(headers),
        kind=trace.SpanKind.SERVER,
        attributes={key.replace("_", "."): value for key, value in attributes.items()},
        record_exception=False,  # an error that is told has its code
        set_status_on_exception=False,
    ):
        yield


def ended(model: str, code: str) -> None:
    """How the current request was answered: by which model, and the name of a code of gRPC."""
    if _tracer is None:
        return
    from opentelemetry import trace

    span = trace.get_current_span()
    span.set_attributes({"dmgan.model": model, "rpc.response.status_code": code})
    if code in _FAULTS:
        span.set_status(trace.StatusCode.ERROR)


def current() -> Any:
    """What `record` takes as a parent: the current request, or None without traces."""
    if _tracer is None:
        return None
    from opentelemetry import context

    return context.get_current()


def record(parent: Any, name: str, began: float, rows: int | None = None) -> None:
    """A child of a request for what has just ended.

    Args: parent: see `current`. began: on the clock of `time.monotonic`. rows: of the batch that
        the request was in.
    """
    if parent is None:
        return
    end = time.time_ns()
    start = end - int((time.monotonic() - began) * 1e9)
    attributes = {} if rows is None else {"dmgan.batch.rows": rows}
    _tracer.start_span(name, parent, attributes=attributes, start_time=start).end(end)
