"""gRPC's calls, frame by frame, as no client library sends them."""

import socket
import struct

_HEADERS, _SETTINGS, _END_HEADERS, _ACKNOWLEDGED = 1, 4, 4, 1
_INITIAL_WINDOW_SIZE = 4


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def head(stream, method):
    """The head of a call, and nothing of its request."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": method,
        ":authority": "a",
        "content-type": "application/grpc",
        "te": "trailers",
    }
    texts = [text.encode() for field in fields.items() for text in field]
    names = zip(texts[::2], texts[1::2], strict=True)
    block = b"".join(b"\0%c%b%c%b" % (len(n), n, len(v), v) for n, v in names)
    return frame(_HEADERS, _END_HEADERS, stream, block)


def connect(address, *, window=65535, source="127.0.0.1"):
    """A connection whose streams take in `window` bytes each, from one of the loopback's hosts."""
    host, _, port = address.rpartition(":")
    opened = socket.create_connection((host, int(port)), timeout=60, source_address=(source, 0))
    settings = struct.pack(">HI", _INITIAL_WINDOW_SIZE, window)
    opened.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(_SETTINGS, 0, 0, settings))
    opened.sendall(frame(_SETTINGS, _ACKNOWLEDGED, 0))
    return opened
