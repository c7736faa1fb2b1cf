"""gRPC's health: a check each time, and no streams that could hold up the server."""

import contextlib

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from raw_http2 import connect, frame, head
from requests_and_answers import ask
from running_server import serve

WATCH = "/grpc.health.v1.Health/Watch"
STATES = health_pb2.HealthCheckResponse


def check(server, service=""):
    own = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(server.address, own) as channel:
        message = health_pb2.HealthCheckRequest(service=service)
        return health_pb2_grpc.HealthStub(channel).Check(message, timeout=20).status


def test_watching_is_not_offered(plain, tmp_path):
    with (
        serve(plain, tmp_path / "log.txt") as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        with pytest.raises(grpc.RpcError) as caught:
            next(health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest()))
        assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
        with pytest.raises(grpc.RpcError) as caught:
            check(server, "nobody")
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND
        assert not server.log.read_text().count("Traceback")


def test_a_server_without_a_model_is_not_serving(tmp_path):
    (tmp_path / "empty").mkdir()
    with serve(tmp_path / "empty", tmp_path / "log.txt") as server:
        assert check(server) == STATES.NOT_SERVING


@pytest.mark.slow
def test_a_watcher_who_takes_nothing_holds_up_nobody(plain, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("first-token-of-all\n")
    options = "--token-file", tokens, "--receive-seconds", 600
    with (
        serve(plain, tmp_path / "log.txt", *options) as server,
        contextlib.ExitStack() as stack,
    ):
        watcher = stack.enter_context(connect(server.address, window=0))
        watcher.sendall(head(1, WATCH) + frame(0, 1, 1, b"\0\0\0\0\0"))
        for _ in range(8):
            opened = stack.enter_context(connect(server.address))
            opened.sendall(b"".join(head(2 * number + 1, WATCH) for number in range(90)))
        assert [check(server) for _ in range(20)] == [STATES.SERVING] * 20
        headers = {"Authorization": "Bearer first-token-of-all"}
        assert ask(f"{server.rest}/dmgan", headers=headers)[0] == 200
        assert server.stop() == 0
