"""Callers who don't take their answers."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from requests_and_answers import eventually, metric
from running_server import serve

pytestmark = pytest.mark.slow

# Asks for an answer that is larger than the window of a connection, and tells the call's code.
PROGRAM = """
import sys, grpc
from dmgan_tf.serving import wire
message = wire.PredictRequest(model_spec={"name": "dmgan", "signature_name": "join"})
tensor = message.inputs["words"]
tensor.dtype = wire.DATA_TYPES["DT_STRING"]
for size in (1, 400):
    tensor.tensor_shape.dim.add(size=size)
tensor.string_val.extend([b"a" * 2000] * 400)
options = [("grpc.http2.lookahead_bytes", 65535), ("grpc.http2.bdp_probe", 0)]
with grpc.insecure_channel(sys.argv[1], options) as channel:
    call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    print(call.future(message.SerializeToString()).code().name)
"""


BODY = json.dumps({"signature_name": "join", "instances": [["a" * 900] * 1000]}).encode()
HEAD = f"POST /v1/models/dmgan:predict HTTP/1.1\r\nHost: a\r\nContent-Length: {len(BODY)}\r\n"


@contextlib.contextmanager
def connection(server):
    """One that takes in little at a time."""
    address = urlsplit(server.root)
    with socket.socket() as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        opened.settimeout(60)
        opened.connect((address.hostname, address.port))
        yield opened


def sockets(process):
    """How many a process has."""
    links = Path(f"/proc/{process.pid}/fd").iterdir()
    return sum(str(link.readlink()).startswith("socket:") for link in links)


@pytest.mark.parametrize("requests", [1, 10])
def test_answers_that_lie_ready_end_the_connection(plain, tmp_path, requests):
    with serve(plain, tmp_path / "log.txt", "--receive-seconds", 3) as server:
        before = sockets(server.process)
        with connection(server) as opened:
            eventually(lambda: sockets(server.process) == before + 1)
            with contextlib.suppress(ConnectionError):  # it may end while this is still sending
                opened.sendall((HEAD.encode() + b"\r\n" + BODY) * requests)
            eventually(lambda: sockets(server.process) == before)


def test_grpc_answers_that_are_not_taken_end_their_calls(plain, tmp_path):
    options = "--answer-seconds", 20, "--batch-timeout-ms", 10_000
    with serve(plain, tmp_path / "log.txt", *options) as server:
        command = [sys.executable, "-c", PROGRAM, server.address]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
            eventually(lambda: metric(server, "serving_in_flight") == 1)
            client.send_signal(signal.SIGSTOP)
            eventually(lambda: metric(server, "serving_requests_total", code="OK") == 1)
            eventually(lambda: metric(server, "serving_dropped_total", reason="unread") == 1)
            client.send_signal(signal.SIGCONT)
            assert client.communicate(timeout=60)[0] == "CANCELLED\n"
