"""gRPC's callers who send their requests too slowly, or don't take their answers."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc


class SlowCallers(grpc.ServerInterceptor):
    """Gives up calls that are held up by their callers: after a time, or the slowest of too many.

    gRPC begins a call with its head, and a thread waits for the rest: callers who send heads alone
    would hold all threads, and those who don't read the memory of their answers.

    Args: receive_seconds, send_seconds: float > 0, for a request to arrive and an answer to leave.
        most: int > 0, calls of which either may be going on at once.
    """

    def __init__(self, receive_seconds: float, send_seconds: float, most: int):
        self._arriving = _Calls(receive_seconds, most)
        self._leaving = _Calls(send_seconds, most)

    def intercept_service(self, continuation: Callable, handler_call_details):
        """The handler of a call, which reads its one request itself."""
        handler = continuation(handler_call_details)
        if handler is None or not handler.unary_unary:
            return handler

        def receive(requests, context):
            with self._arriving.holding(context):
                request = next(requests, None)
            if request is None:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "The call has no request.")
            answer = handler.unary_unary(request, context)
            self._leaving.add(context)
            if not context.add_callback(lambda: self._leaving.remove(context)):
                self._leaving.remove(context)  # it has ended
            return answer

        return grpc.stream_unary_rpc_method_handler(
            receive, handler.request_deserializer, handler.response_serializer
        )

    def give_up(self) -> None:
        """Ends the calls that took too long."""
        self._arriving.give_up()
        self._leaving.give_up()


class _Calls:
    """Calls that wait for their callers, the one that has waited longest first."""

    def __init__(self, seconds, most):
        self._seconds, self._most = seconds, most
        self._since: dict[grpc.ServicerContext, float] = {}
        self._lock = threading.Lock()

    def add(self, context: grpc.ServicerContext) -> None:
        with self._lock:
            self._since[context] = time.monotonic()
            slowest = self._taken() if len(self._since) > self._most else None
        if slowest:
            slowest.cancel()

    def remove(self, context: grpc.ServicerContext) -> None:
        with self._lock:
            self._since.pop(context, None)

    @contextmanager
    def holding(self, context: grpc.ServicerContext) -> Iterator[None]:
        self.add(context)
        try:
            yield
        finally:
            self.remove(context)

    def give_up(self) -> None:
        latest, late = time.monotonic() - self._seconds, []
        with self._lock:
            while self._since and next(iter(self._since.values())) < latest:
                late.append(self._taken())
        for context in late:
            context.cancel()

    def _taken(self):
        slowest = next(iter(self._since))
        del self._since[slowest]
        return slowest
