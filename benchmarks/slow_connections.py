"""Connections that send next to nothing, and are opened anew as soon as the server ends them."""

import contextlib
import socket
import threading
from urllib.parse import urlsplit

_SECONDS_A_BYTE = 1.0
_HTTP_2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def _call(method):
    """A connection's settings and the head of a call, without its request."""
    fields = ":method", "POST", ":scheme", "http", ":path", method, ":authority", "a"
    fields += "content-type", "application/grpc", "te", "trailers"
    texts = [bytes([len(text)]) + text.encode() for text in fields]
    head = b"".join(
        b"\0" + name + value for name, value in zip(texts[::2], texts[1::2], strict=True)
    )
    settings = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
    return _HTTP_2 + settings + bytes([0, 0, len(head), 1, 4, 0, 0, 0, 1]) + head


_BODY = b"POST /v1/models/dmgan:predict HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n"
# (protocol, what is sent at once, what is sent byte by byte) of each way to be slow.
_WAYS = [
    ("rest", b"", b""),
    ("rest", b"GET /v1/mod", b"a"),
    ("rest", b"GET / HTTP/1.1\r\nA: ", b"a"),
    ("rest", _BODY, b" "),
    ("grpc", b"", b""),
    ("grpc", b"PRI * HTTP/2.0\r\n", b""),
    # The head of a call's frame of settings, and no more.
    ("grpc", _HTTP_2 + b"\0\0\x06\x04", b"\0"),
    ("grpc", _call("/tensorflow.serving.PredictionService/Predict"), b""),
    ("grpc", _call("/inference.GRPCInferenceService/ServerLive"), b""),
    ("grpc", _call("/grpc.health.v1.Health/Watch"), b""),
]


class SlowConnections:
    """So many connections, of all ways to be slow in turn.

    Attributes: open: how many there are. closed: how many the server has ended. refused: how many
        could not be opened.
    """

    def __init__(self, address: str, rest: str, count: int):
        web = urlsplit(rest)
        host, _, port = address.rpartition(":")
        self._addresses = {"rest": (web.hostname, web.port), "grpc": (host, int(port))}
        self.open, self.closed, self.refused = count, 0, 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self._stop.set()
        self._thread.join()

    def _work(self):
        ways = [_WAYS[number % len(_WAYS)] for number in range(self.open)]
        opened = [self._connect(way) for way in ways]
        while not self._stop.wait(_SECONDS_A_BYTE):
            for number, way in enumerate(ways):
                if (connection := opened[number]) and not _goes_on(connection, way[2]):
                    self.closed += 1
                    connection.close()
                    connection = opened[number] = None
                if not connection:
                    opened[number] = self._connect(way)
        for connection in filter(None, opened):
            connection.close()

    def _connect(self, way):
        protocol, first, _ = way
        try:
            connection = socket.create_connection(self._addresses[protocol], timeout=60)
        except OSError:
            self.refused += 1
            return None
        connection.setblocking(False)
        with contextlib.suppress(OSError):
            connection.send(first)
        return connection


def _goes_on(connection, more):
    """Sends a little; whether the server is still there."""
    try:
        connection.send(more)
        while connection.recv(4096):
            pass
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False
