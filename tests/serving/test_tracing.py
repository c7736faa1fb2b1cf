"""Traces, as a receiver of OpenTelemetry's protocol over HTTP gets them."""

import contextlib
import http.server
import sys
import threading

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from plain_model import HANG
from requests_and_answers import ask, doubled, eventually, metric, numbers
from running_server import serve
from tensorflow_serving.apis import prediction_service_pb2_grpc

from dmgan_tf.errors import UserError
from dmgan_tf.serving import tracing

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADERS = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
METHOD = "tensorflow.serving.PredictionService/Predict"


class Receiver:
    """What arrived; a server on a free port."""

    def __init__(self):
        received = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received.requests.append((self.path, ExportTraceServiceRequest.FromString(body)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.requests = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def resources(self):
        return [resource for _, r in self.requests for resource in r.resource_spans]

    def spans(self):
        return [s for r in self.resources() for scope in r.scope_spans for s in scope.spans]


def attributes(holder):
    return {a.key: a.value.string_value or a.value.int_value for a in holder.attributes}


@contextlib.contextmanager
def traced_server(plain, tmp_path, monkeypatch, *options):
    with Receiver() as receiver:
        monkeypatch.setenv(ENDPOINT, receiver.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
        with serve(plain, tmp_path / "log.txt", *options) as server:
            yield server, receiver


def check_children(spans, request, rows):
    """The two children of a request's span lie within it, one after the other."""
    children = {s.name: s for s in spans if s.parent_span_id == request.span_id}
    queue, model = children.pop("queue"), children.pop("model")
    assert not children
    assert {queue.trace_id, model.trace_id} == {request.trace_id}
    assert attributes(model)["dmgan.batch.rows"] == rows
    slack = 5_000_000  # ns: the starts are reckoned back from two clocks
    assert request.start_time_unix_nano - slack < queue.start_time_unix_nano
    assert queue.end_time_unix_nano < model.start_time_unix_nano + slack
    assert model.end_time_unix_nano < request.end_time_unix_nano + slack


@pytest.mark.slow
def test_a_request_is_a_span_with_its_wait_and_the_model(plain, tmp_path, monkeypatch):
    with (
        traced_server(plain, tmp_path, monkeypatch, "--drain-seconds", 1) as (server, receiver),
        grpc.insecure_channel(server.address) as channel,
    ):
        predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
        assert doubled(predict(numbers(1, 2), metadata=list(HEADERS.items()))) == [2, 4]
        url = f"{server.rest}/dmgan:predict"
        assert ask(url, b'{"instances": [1]}', headers=HEADERS)[0] == 200
        with pytest.raises(grpc.RpcError):
            predict(numbers(1, model="nobody"))
        assert ask(f"{server.root}/v2/models/dmgan/infer", b"{}")[0] == 400
        call = predict.future(numbers(HANG), timeout=10)
        eventually(lambda: metric(server, "serving_in_flight") == 1)
        assert call.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        code = "DEADLINE_EXCEEDED"
        eventually(lambda: metric(server, "serving_requests_total", code=code) == 1)
        assert server.stop() == 0  # what is left is sent
        assert {path for path, _ in receiver.requests} == {"/v1/traces"}
        for resource in receiver.resources():
            found = attributes(resource.resource)
            assert (found["service.name"], found["deployment.environment"]) == ("dmgan", "test")
        spans = receiver.spans()
        by_grpc, unknown, hanging = (s for s in spans if s.name == METHOD)
        by_rest = next(s for s in spans if s.name == "POST /v1/models/{name}:predict")
        (refused,) = (s for s in spans if s.name == "POST /v2/models/{name}/infer")
        for span, rows in ((by_grpc, 2), (by_rest, 1)):
            assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
            assert (span.kind, span.status.code) == (span.SPAN_KIND_SERVER, 0)
            check_children(spans, span, rows)
        assert attributes(by_grpc) == {
            "rpc.system.name": "grpc",
            "rpc.method": METHOD,
            "rpc.response.status_code": "OK",
            "dmgan.model": "dmgan",
        }
        assert attributes(by_rest)["http.route"] == "/v1/models/{name}:predict"
        for span, code, status in (
            (unknown, "NOT_FOUND", 0),
            (refused, "INVALID_ARGUMENT", 0),
            (hanging, "DEADLINE_EXCEEDED", 2),
        ):
            assert attributes(span)["rpc.response.status_code"] == code
            assert (span.status.code, span.parent_span_id) == (status, b"")


@pytest.mark.slow
def test_requests_of_one_batch_have_children_each(plain, tmp_path, monkeypatch):
    options = "--batch-timeout-ms", 20_000, "--max-batch-size", 4
    with (
        traced_server(plain, tmp_path, monkeypatch, *options) as (server, receiver),
        grpc.insecure_channel(server.address) as channel,
    ):
        predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
        for call in [predict.future(numbers(number)) for number in range(4)]:
            call.result()
        eventually(lambda: sum(span.name == METHOD for span in receiver.spans()) == 4)
        spans = receiver.spans()
        for span in spans:
            if span.name == METHOD:
                check_children(spans, span, 4)


@pytest.mark.slow
def test_without_the_variables_nothing_of_it_is_imported(plain, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    with serve(plain, tmp_path / "log.txt") as server:
        assert ask(f"{server.rest}/dmgan:predict", b'{"instances": [1]}')[0] == 200
        log = server.log.read_text()
    assert "starlette" in log
    assert "opentelemetry" not in log


@pytest.mark.slow
def test_a_receiver_that_is_not_there_stops_nothing(plain, tmp_path, monkeypatch):
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    with serve(plain, tmp_path / "log.txt") as server:
        for _ in range(10):
            assert ask(f"{server.rest}/dmgan:predict", b'{"instances": [1]}')[0] == 200
        eventually(lambda: "127.0.0.1" in server.log.read_text())
        assert server.stop() == 0


def test_what_can_not_be_traced_is_one_line(monkeypatch):
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:1")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "opentelemetry", None)
        with pytest.raises(UserError, match=rf"{ENDPOINT} is set.*'dmgan_tf\[tracing\]'"):
            tracing.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    with pytest.raises(UserError, match=r"must be http/protobuf\. Received: grpc\."):
        tracing.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json")
    with pytest.raises(UserError, match=r"TRACES_PROTOCOL must be .*Received: http/json\."):
        tracing.start()
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    tracing.start()
    monkeypatch.delenv("OTEL_TRACES_EXPORTER")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    tracing.start()
    assert tracing.current() is None


@pytest.mark.parametrize(("of_traces", "of_all"), [("http/protobuf", "grpc"), ("", "")])
def test_the_protocol_of_traces_overrides_that_of_all(monkeypatch, of_traces, of_all):
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", of_traces)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", of_all)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(UserError, match="traces need more packages"):  # past the protocol
        tracing.start()
