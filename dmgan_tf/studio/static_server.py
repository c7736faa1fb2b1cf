"""Serves a folder of static files on 127.0.0.1, isolated so that threads may share memory."""

from __future__ import annotations

import contextlib
import functools
import http.server
import re
from http import HTTPStatus
from pathlib import Path

TYPES = {
    "": "application/octet-stream",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
PAGE = Path(__file__).parent / "page"
_IDLE_SECONDS = 60


def headers(index: str) -> dict[str, str]:
    """What every answer carries.

    Args: index: text of index.html, whose Content-Security-Policy is taken.
    """
    found = re.search(r'content="(default-src [^"]+)"', index)
    if not found:
        raise ValueError("index.html has no Content-Security-Policy.")
    return {
        "Content-Security-Policy": f"{found[1]}; frame-ancestors 'none'",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Embedder-Policy": "require-corp",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
    }


class _Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS
    extensions_map = TYPES

    def __init__(self, *arguments, always, **keywords):
        self._always = always
        super().__init__(*arguments, **keywords)

    def handle(self):
        with contextlib.suppress(ConnectionError):  # of a visitor who has gone
            super().handle()

    def end_headers(self):
        for name, value in self._always.items():
            self.send_header(name, value)
        super().end_headers()

    def list_directory(self, path):
        self.send_error(HTTPStatus.NOT_FOUND)

    def log_message(self, *_):
        pass


def make_server(folder: Path, port: int) -> http.server.ThreadingHTTPServer:
    """A server that listens on 127.0.0.1; `serve_forever` answers.

    Args: folder: may be written later; port: 0 for any.
    Raises: OSError: when the port can't be listened on.
    """
    always = headers((PAGE / "index.html").read_text(encoding="utf-8"))
    handler = functools.partial(_Handler, directory=str(folder), always=always)
    return http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
