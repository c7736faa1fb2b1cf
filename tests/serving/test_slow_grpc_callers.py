"""gRPC's callers who send heads alone: who is given up, and what becomes of honest ones."""

import contextlib
import os
import resource
import threading
from pathlib import Path

import grpc
import pytest
from raw_http2 import connect, head
from requests_and_answers import doubled, eventually, metric, numbers
from running_server import serve
from tensorflow_serving.apis import prediction_service_pb2_grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

pytestmark = pytest.mark.slow

LIVE = "/inference.GRPCInferenceService/ServerLive"
PREDICT = "/tensorflow.serving.PredictionService/Predict"


@pytest.fixture(scope="module")
def patient(plain, tmp_path_factory):
    """A server that waits long for requests, and soon ends idle connections."""
    log = tmp_path_factory.mktemp("patient") / "log.txt"
    options = "--receive-seconds", 600, "--max-connection-idle-seconds", 1
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, soft), hard))
    try:
        with serve(plain, log, *options) as server:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            yield server
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def waiting(channel, method):
    """A call whose request hasn't been sent, and what sends it: the call's outcome."""
    sent = threading.Event()

    def requests(message):
        sent.wait(60)
        yield message.SerializeToString()

    def begin(message):
        return channel.stream_unary(method).future(requests(message), timeout=120)

    try:
        yield begin, sent
    finally:
        sent.set()


@pytest.mark.parametrize(
    ("flooded", "source"),
    [(PREDICT, "127.0.0.2"), (LIVE, "127.0.0.1")],
    ids=["another host's", "open calls"],
)
def test_heads_of_others_do_not_push_out_a_call(patient, flooded, source):
    own = [("grpc.use_local_subchannel_pool", 1)]
    with (
        grpc.insecure_channel(patient.address, own) as channel,
        waiting(channel, PREDICT) as (begin, sent),
        contextlib.ExitStack() as stack,
    ):
        cancelled = metric(patient, "serving_requests_total", code="CANCELLED")
        unsent = metric(patient, "serving_dropped_total", reason="unsent")
        honest = begin(numbers(21))
        for _ in range(6):
            opened = stack.enter_context(connect(patient.address, source=source))
            opened.sendall(b"".join(head(2 * n + 1, flooded) for n in range(100)))
        eventually(lambda: metric(patient, "serving_dropped_total", reason="unsent") > unsent + 300)
        # Those that were given up before a thread had begun them have no code.
        assert metric(patient, "serving_requests_total", code="CANCELLED") > cancelled
        assert not honest.done()
        sent.set()
        assert honest.code() == grpc.StatusCode.OK
    with grpc.insecure_channel(patient.address, own) as channel:
        predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
        assert doubled(predict(numbers(3), timeout=60)) == [6]


def test_a_call_without_a_request_and_an_unknown_one_are_counted(patient):
    with grpc.insecure_channel(patient.address) as channel:
        for method, code in ((PREDICT, "INVALID_ARGUMENT"), ("/a/b", "UNIMPLEMENTED")):
            before = metric(patient, "serving_requests_total", code=code)
            call = channel.stream_unary(method).future(iter(()), timeout=60)
            assert call.code().name == code
            assert metric(patient, "serving_requests_total", code=code) == before + 1


def test_what_names_no_model_is_not_counted_as_over_rest(patient):
    with grpc.insecure_channel(patient.address) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        before = metric(patient, "serving_requests_total", protocol="grpc")
        assert stub.ServerLive(service_pb2.ServerLiveRequest()).live
        assert stub.ServerReady(service_pb2.ServerReadyRequest()).ready
        assert stub.ServerMetadata(service_pb2.ServerMetadataRequest()).name == "dmgan_tf"
        assert metric(patient, "serving_requests_total", protocol="grpc") == before
        assert stub.ModelReady(service_pb2.ModelReadyRequest(name="dmgan")).ready
        assert metric(patient, "serving_requests_total", protocol="grpc") == before + 1


def test_idle_connections_end_and_may_be_as_many_as_the_system_allows(patient):
    limits = Path(f"/proc/{patient.process.pid}/limits").read_text()
    (line,) = (line for line in limits.splitlines() if line.startswith("Max open files"))
    assert line.split()[3] == line.split()[4]
    folder = f"/proc/{patient.process.pid}/fd"
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(connect(patient.address)) for _ in range(300)]
        eventually(lambda: len(os.listdir(folder)) > 300)
        for connection in opened:
            while connection.recv(4096):
                pass


def test_a_connection_has_no_more_calls_at_a_time_than_one_host_may_hold(patient):
    with connect(patient.address) as opened:
        found = b""
        while b"\0\3\0\0\1\0" not in found:  # the setting MAX_CONCURRENT_STREAMS is 256
            part = opened.recv(4096)
            assert part
            found += part
