"""Calls whose requests do not arrive."""

import threading
import time
from collections.abc import Callable

import grpc


class ReceiveLimit(grpc.ServerInterceptor):
    """Gives up calls whose requests take too long, and the oldest of them where there are too many.

    gRPC begins a call with its head, and a thread waits for the rest: callers who send heads alone
    would hold all threads.

    Args: seconds: float > 0, for a request to arrive. most: int > 0, requests that arrive at once.
    """

    def __init__(self, seconds: float, most: int):
        self._seconds = seconds
        self._most = most
        self._arriving: dict[grpc.ServicerContext, float] = {}  # context → since when, in order
        self._lock = threading.Lock()

    def intercept_service(self, continuation: Callable, handler_call_details):
        """The handler of a call, which reads its one request itself."""
        handler = continuation(handler_call_details)
        if handler is None or not handler.unary_unary:
            return handler

        def receive(requests, context):
            late = []
            with self._lock:
                self._arriving[context] = time.monotonic()
                if len(self._arriving) > self._most:
                    late.append(self._take_oldest())
            _cancel(late)
            try:
                request = next(requests, None)
            finally:
                with self._lock:
                    self._arriving.pop(context, None)
            if request is None:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "The call has no request.")
            return handler.unary_unary(request, context)

        return grpc.stream_unary_rpc_method_handler(
            receive, handler.request_deserializer, handler.response_serializer
        )

    def give_up(self) -> None:
        """Ends the calls that took too long."""
        latest, late = time.monotonic() - self._seconds, []
        with self._lock:
            while self._arriving and next(iter(self._arriving.values())) < latest:
                late.append(self._take_oldest())
        _cancel(late)

    def _take_oldest(self):
        oldest = next(iter(self._arriving))
        del self._arriving[oldest]
        return oldest


def _cancel(contexts):
    for context in contexts:
        context.cancel()
