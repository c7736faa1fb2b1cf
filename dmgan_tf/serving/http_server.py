"""Serves an ASGI application by HTTP/1.1 from a thread, within limits on connections and time."""

import asyncio
import functools
import socket
import ssl
import threading

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol


def _protocol(receive_seconds):
    class TimedProtocol(H11Protocol):
        """Closes a connection on which no whole head of a request arrives in time.

        The application sees to the time of a body.
        """

        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport):
            super().connection_made(transport)
            self._watch()

        def data_received(self, data):
            super().data_received(data)
            self._watch()

        def on_response_complete(self):
            super().on_response_complete()
            self._watch()

        def connection_lost(self, exc):
            super().connection_lost(exc)
            self._stop()

        def _watch(self):
            if self.cycle is not None and not self.cycle.response_complete:
                self._stop()
            elif self._timer is None:
                self._timer = self.loop.call_later(receive_seconds, self.transport.close)

        def _stop(self):
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    return TimedProtocol


class HttpServer:
    """A running server.

    Args: port: 0 for any. max_connections: int > 0, beyond it 503. receive_seconds: float > 0, for
        a handshake of TLS, and for the head of a request. drain_seconds: float ≥ 0, for what was
        accepted, at the end. tls: None for plain HTTP.
    Raises: OSError: when the address can't be listened on.
    """

    def __init__(
        self,
        application: ASGIApp,
        host: str,
        port: int,
        *,
        max_connections: int,
        receive_seconds: float,
        drain_seconds: float,
        tls: ssl.SSLContext | None = None,
    ):
        listening = socket.create_server((host, port))
        self.port = listening.getsockname()[1]
        self._drain_seconds = drain_seconds
        config = uvicorn.Config(
            application,
            http=_protocol(receive_seconds),
            ws="none",
            lifespan="off",
            log_level="error",
            limit_concurrency=max_connections,
            timeout_graceful_shutdown=int(drain_seconds),
        )
        config.load()
        config.ssl = tls
        self._server = uvicorn.Server(config)
        # Signals are the command line's: uvicorn sets its own handlers in the main thread alone.
        self._thread = threading.Thread(
            target=asyncio.run,
            args=[self._serve(listening, tls and receive_seconds)],
            name="rest",
            daemon=True,
        )
        self._thread.start()

    async def _serve(self, listening, handshake_seconds):
        loop = asyncio.get_running_loop()
        # uvicorn leaves asyncio's minute for a handshake, and counts the connection only after it.
        limited = functools.partial(loop.create_server, ssl_handshake_timeout=handshake_seconds)
        loop.create_server = limited  # type: ignore[method-assign]
        await self._server.serve([listening])

    def is_alive(self) -> bool:
        """Whether it serves."""
        return self._thread.is_alive()

    def tell_to_stop(self) -> None:
        """Takes no more requests; `join` waits for the last answer."""
        self._server.should_exit = True

    def join(self) -> None:
        """Waits for the end."""
        self._thread.join(self._drain_seconds)
