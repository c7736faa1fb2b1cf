"""Serves an ASGI application by HTTP/1.1 from a thread, within limits on connections and time."""

import asyncio
import functools
import socket
import ssl
import threading

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

_LEAST_READ_BYTES = 2**16  # of answers that lie ready, each time that a request might take


def _protocol(receive_seconds):
    class TimedProtocol(H11Protocol):
        """Ends a connection whose client is late with a head, or leaves answers lying.

        The application sees to the time of a body.
        """

        _timer: asyncio.TimerHandle | None = None
        _reading: asyncio.TimerHandle | None = None  # while the client has much to read

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
            self._stop_looking()

        def pause_writing(self):
            super().pause_writing()
            self._look_again(self.transport.get_write_buffer_size())

        def resume_writing(self):
            super().resume_writing()
            self._stop_looking()

        def _watch(self):
            if self.cycle is not None and not self.cycle.response_complete:
                self._stop()
            elif self._timer is None:
                self._timer = self.loop.call_later(receive_seconds, self._close)

        def _close(self):
            if self._reading is None:
                self.transport.close()  # after what is left, which is little
                self._timer = self.loop.call_later(receive_seconds, self.transport.abort)
            else:
                self._timer = self.loop.call_later(receive_seconds, self._close)

        def _stop(self):
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _look_again(self, left):
            self._reading = self.loop.call_later(receive_seconds, self._look, left)

        def _look(self, before):
            left = self.transport.get_write_buffer_size()
            if before - left < _LEAST_READ_BYTES:
                self.transport.abort()
            else:
                self._look_again(left)

        def _stop_looking(self):
            if self._reading is not None:
                self._reading.cancel()
                self._reading = None

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
