"""What a stranger can't make the server do: work, hold memory, or wait without end."""

import contextlib
import http.client
import json
import re
import signal
import socket
import threading
from urllib.parse import urlsplit

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from plain_model import HANG
from requests_and_answers import ask, doubled, eventually, metric, numbers, post
from running_server import serve
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


@pytest.fixture(scope="module")
def limited(plain, tmp_path_factory):
    """A server that is out of patience soon."""
    options = "--receive-seconds", 1, "--max-connections", 8, "--max-connection-age-seconds", 1
    with serve(plain, tmp_path_factory.mktemp("limited") / "log.txt", *options) as server:
        yield server


@pytest.fixture(scope="module")
def stub(limited):
    with grpc.insecure_channel(limited.address) as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


@contextlib.contextmanager
def connection(server):
    address = urlsplit(server.root)
    with socket.create_connection((address.hostname, address.port), timeout=60) as opened:
        yield opened


def words(*sizes, padding=0):
    """A request to join words, of which one stands for all."""
    message = predict_pb2.PredictRequest()
    message.model_spec.name, message.model_spec.signature_name = "dmgan", "join"
    tensor = message.inputs["words"]
    tensor.dtype = 7
    for size in sizes:
        tensor.tensor_shape.dim.add(size=size)
    tensor.string_val.append(b"a")
    tensor.float_val.extend([0.0] * padding)
    return message


def names(count):
    """A request with so many inputs."""
    message = numbers(1)
    for name in range(count - 1):
        message.inputs[str(name)].dtype = 9
    return message


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (words(1, 1025), "1025 values in a row; at most 1024 are taken"),
        (words(33, 1), "Task size 33"),
        (words(1, 2**40), "values in a row"),
        (words(1, 3_000_000, padding=250_000), "3000000 values in a row"),
        (words(1, 0), "has no values"),
        (words(0, 1), "has no rows"),
        (words(*[1] * 33), "33 dimensions; at most 32 are taken"),
        (names(1001), r"input size does not match signature: 1001!=1$"),
    ],
    ids=["width", "rows", "shape alone", "padding", "empty", "no rows", "dimensions", "names"],
)
def test_what_a_shape_asks_for_is_bounded(stub, message, told):
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(message)
    assert re.search(told, caught.value.details())
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert len(stub.Predict(words(32, 1024)).outputs["joined"].string_val) == 32


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"instances": [1] * 100_000}, "Task size 100000"),
        ({"inputs": [1] * 100_000}, "Task size 100000"),
        ({"inputs": {"number": [1] * 100_000}}, "Task size 100000"),
        ({"signature_name": "join", "instances": [["a"] * 50_000]}, "50000 values in a row"),
        ({"signature_name": "join", "inputs": [["a"] * 50_000]}, "50000 values in a row"),
        ({"signature_name": "join", "instances": [[]]}, "has no values"),
        ({"signature_name": "join", "instances": [["a"], ["a"] * 50_000]}, "Failed to process"),
        ({"inputs": {"number": [1], "x": [[1] * 50_000] * 2}}, "Sent extra"),
        ({"inputs": {f"name {i}": [1] for i in range(20_000)}}, "20000!=1"),
        ({"signature_name": "\ud800", "inputs": [1]}, '"\\ud800" not found'),
    ],
)
def test_rows_and_columns_are_counted_before_they_become_arrays(limited, content, told):
    status, answer = post(f"{limited.rest}/dmgan:predict", content)
    assert status == 400
    assert told in answer["error"]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_beyond_the_limit_is_refused(limited, chunked):
    body = b'{"instances": [' + b"1," * 2**22 + b"1]}"  # more than a socket's buffers hold
    opened = http.client.HTTPConnection(urlsplit(limited.root).netloc, timeout=60)
    parts = iter([body[:1000], body[1000:]]) if chunked else body
    headers = {"Connection": "close"}  # the server must not close before it has read
    opened.request("POST", "/v1/models/dmgan:predict", parts, headers, encode_chunked=chunked)
    answer = opened.getresponse()
    assert answer.status == 413
    assert json.load(answer) == {"error": "The body is larger than 1048576 bytes."}
    opened.close()


@pytest.mark.parametrize(
    "head", [f"Content-Length: {2**20 + 1}\r\nExpect: 100-continue", f"Content-Length: {2**40}"]
)
def test_a_body_that_need_not_come_is_refused_by_its_head(limited, head):
    with connection(limited) as opened:
        opened.sendall(
            f"POST /v1/models/dmgan:predict HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n".encode()
        )
        assert opened.recv(1000).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("sent", [b"", b"GET /v1/mod", b"GET /metrics HTTP/1.1\r\nHost: a\r\nA: "])
def test_a_head_that_does_not_come_ends_the_connection(limited, sent):
    with connection(limited) as opened:
        opened.sendall(sent)
        assert opened.recv(1) == b""


def requests_that_do_not_come(channel, stack, count):
    """Calls of gRPC whose heads are sent alone."""
    never = threading.Event()
    stack.callback(never.set)
    call = channel.stream_unary("/tensorflow.serving.PredictionService/Predict")
    return [call.future(iter(never.wait, True)) for _ in range(count)]


def test_requests_that_do_not_come_end_their_calls(plain, tmp_path):
    with (
        serve(plain, tmp_path / "log.txt", "--receive-seconds", 1) as server,
        grpc.insecure_channel(server.address) as channel,
        contextlib.ExitStack() as stack,
    ):
        (call,) = requests_that_do_not_come(channel, stack, 1)
        eventually(call.done)
        assert call.code() == grpc.StatusCode.CANCELLED


@pytest.mark.slow
def test_heads_alone_do_not_keep_others_out(plain, tmp_path):
    with (
        serve(plain, tmp_path / "log.txt", "--receive-seconds", 600) as server,
        contextlib.ExitStack() as stack,
    ):
        own = [("grpc.use_local_subchannel_pool", 1)]  # a connection each
        *hostile, honest = (
            stack.enter_context(grpc.insecure_channel(server.address, own)) for _ in range(9)
        )
        calls = [c for h in hostile for c in requests_that_do_not_come(h, stack, 75)]
        predict = prediction_service_pb2_grpc.PredictionServiceStub(honest).Predict
        eventually(lambda: sum(call.done() for call in calls) >= 600 - 256)
        for number in range(20):
            assert doubled(predict(numbers(number), timeout=30)) == [2 * number]


def test_a_second_head_that_does_not_come_ends_the_connection(limited):
    with connection(limited) as opened:
        opened.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\nGET")
        with opened.makefile("rb") as answer:
            assert answer.readline() == b"HTTP/1.1 200 OK\r\n"
            answer.read()  # to the end of the connection


def test_a_body_that_does_not_come_is_told_so(limited):
    with connection(limited) as opened:
        head = "POST /v1/models/dmgan:predict HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"
        opened.sendall(head.encode() + b"{")
        answer = http.client.HTTPResponse(opened)
        answer.begin()
        assert answer.status == 408
        assert json.load(answer) == {"error": "The body took longer than 1 s."}
        assert opened.recv(1) == b""


def test_connections_beyond_the_limit_are_refused_until_others_end(limited):
    with contextlib.ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(connection(limited))
        status, headers, _ = ask(f"{limited.rest}/dmgan")
        assert status == 503
        # As the description says, and not as other 503.
        assert headers["Content-Type"].startswith("text/plain") and "Retry-After" not in headers
    eventually(lambda: ask(f"{limited.rest}/dmgan")[0] == 200)


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/nowhere", "GET", 404),
        ("/v1/models/nobody", "GET", 404),
        ("/v1/models/dmgan/versions/x", "GET", 400),
        (f"/v1/models/dmgan/versions/{'9' * 6000}", "GET", 400),
        ("/v1/models/dmgan:predict", "GET", 405),
        ("/v1/models/dmgan:predict", "PUT", 405),
        ("/v1/models/dmgan", "POST", 405),
    ],
)
def test_errors_of_addresses_and_methods_are_json(limited, path, method, status):
    found, headers, body = ask(limited.root + path, method=method)
    assert found == status
    assert list(json.loads(body)) == ["error"]
    assert ("Allow" in headers) == (status == 405)


def test_an_unknown_output_is_refused_before_the_model_runs(limited, stub):
    before = metric(limited, "serving_batch_rows_count")
    message = numbers(1)
    message.output_filter.append("smell")
    with pytest.raises(grpc.RpcError, match="alias not found in signature: smell"):
        stub.Predict(message)
    assert metric(limited, "serving_batch_rows_count") == before


def test_clients_connect_anew_from_time_to_time(limited):
    states = []
    with grpc.insecure_channel(limited.address) as channel:
        channel.subscribe(states.append, try_to_connect=True)
        eventually(lambda: grpc.ChannelConnectivity.READY in states)
        eventually(lambda: states[-1] == grpc.ChannelConnectivity.IDLE)
        predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
        assert doubled(predict(numbers(4))) == [8]


@pytest.mark.parametrize("batching", [True, False])
def test_a_server_that_hangs_refuses_answers_the_rest_and_ends_at_the_second_signal(
    plain, tmp_path, batching
):
    options = ["--max-batch-size", 1] if batching else ["--no-batching", "--max-calls", 2]
    running = 1 if batching else 2
    with (
        serve(plain, tmp_path / "log.txt", "--max-queued-rows", 3, *options) as server,
        grpc.insecure_channel(server.address) as channel,
        grpc.insecure_channel(server.address, [("grpc.use_local_subchannel_pool", 1)]) as other,
    ):
        predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
        hanging = []
        for count in range(1, running + 1):
            hanging.append(predict.future(numbers(HANG)))
            eventually(lambda count=count: metric(server, "serving_batch_rows_count") == count)
        hanging += [predict.future(numbers(HANG)) for _ in range(100)]
        full = grpc.StatusCode.RESOURCE_EXHAUSTED
        eventually(lambda: sum(call.done() and call.code() == full for call in hanging) == 97)
        status, headers, body = ask(f"{server.rest}/dmgan:predict", b'{"instances": [1]}')
        assert (status, headers["Retry-After"]) == (429, "1")
        assert "queue" in json.loads(body)["error"]
        assert ask(f"{server.rest}/dmgan")[0] == 200
        assert ask(f"{server.rest}/dmgan/metadata")[0] == 200
        assert metric(server, "serving_queued_rows", model="dmgan") == 3
        assert metric(server, "serving_in_flight", model="dmgan") == running + 3
        assert metric(server, "serving_oldest_request_seconds", model="dmgan") > 0
        health = health_pb2_grpc.HealthStub(other)
        answer = health.Check(health_pb2.HealthCheckRequest(), timeout=30)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        server.process.send_signal(signal.SIGINT)
        eventually(lambda: "Ending what was accepted." in server.log.read_text())
        assert server.process.poll() is None
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(60) == 128 + signal.SIGINT
