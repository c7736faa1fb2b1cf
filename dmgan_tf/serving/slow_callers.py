"""gRPC's callers who send their requests too slowly, or don't take their answers."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc

from dmgan_tf.serving import authorization, metrics


class SlowCallers(grpc.ServerInterceptor):
    """Gives up calls that are held up by their callers: after a time, or some of too many.

    gRPC begins a call with its head, and a thread waits for the rest: callers who send heads alone
    would hold all threads, and those who don't read the memory of their answers. Where they are too
    many, the host with the most loses its oldest. Calls that need no token are counted apart, so
    that callers without one can't push out others.

    Args: receive_seconds, send_seconds: float > 0, for a request to arrive and an answer to leave.
        most: int > 0, calls of each of the four kinds that may be going on at once.
    """

    def __init__(self, receive_seconds: float, send_seconds: float, most: int):
        self._arriving = [_Calls(receive_seconds, most, "unsent") for _ in range(2)]
        self._leaving = [_Calls(send_seconds, most, "unread") for _ in range(2)]

    def intercept_service(self, continuation: Callable, handler_call_details):
        """The handler of a call, which reads its one request itself."""
        handler = continuation(handler_call_details)
        if handler is None:
            metrics.count("", "grpc", grpc.StatusCode.UNIMPLEMENTED.name, 0.0)
        if handler is None or handler.request_streaming:  # refused, without its requests
            return handler
        is_open = authorization.is_open(handler_call_details.method)
        arriving, leaving = self._arriving[is_open], self._leaving[is_open]

        def receive(requests, context):
            request = _received(requests, context, arriving)
            answer = (handler.unary_stream or handler.unary_unary)(request, context)
            leaving.add(context)
            if not context.add_callback(lambda: leaving.remove(context)):
                leaving.remove(context)  # it has ended
            return answer

        kind = grpc.stream_unary_rpc_method_handler
        if handler.response_streaming:
            kind = grpc.stream_stream_rpc_method_handler
        return kind(receive, handler.request_deserializer, handler.response_serializer)

    def give_up(self) -> None:
        """Ends the calls that took too long."""
        for calls in self._arriving + self._leaving:
            calls.give_up()


def _received(requests, context, arriving):
    start, code = time.monotonic(), grpc.StatusCode.CANCELLED
    try:
        with arriving.holding(context):
            for request in requests:
                return request
        code = grpc.StatusCode.INVALID_ARGUMENT
        context.abort(code, "The call has no request.")
    except Exception:
        metrics.count("", "grpc", code.name, time.monotonic() - start)
        raise


class _Calls:
    """Calls that wait for their callers, the one that has waited longest first."""

    def __init__(self, seconds, most, reason):
        self._seconds, self._most = seconds, most
        self._dropped = metrics.DROPPED.labels("", reason)
        self._since: dict[grpc.ServicerContext, tuple[float, str]] = {}
        self._of_host: dict[str, dict[grpc.ServicerContext, None]] = defaultdict(dict)
        self._lock = threading.Lock()

    def add(self, context: grpc.ServicerContext) -> None:
        host, slowest = context.peer().rpartition(":")[0], []  # without its port
        with self._lock:
            self._since[context] = time.monotonic(), host
            self._of_host[host][context] = None
            if len(self._since) > self._most:
                most_of_all = max(self._of_host.values(), key=len)
                slowest.append(next(iter(most_of_all)))
                self._remove(slowest[0])
        self._end(slowest)

    def remove(self, context: grpc.ServicerContext) -> None:
        with self._lock:
            self._remove(context)

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
            while self._since and next(iter(self._since.values()))[0] < latest:
                late.append(next(iter(self._since)))
                self._remove(late[-1])
        self._end(late)

    def _end(self, contexts):
        for context in contexts:
            context.cancel()
            self._dropped.inc()

    def _remove(self, context):
        if context in self._since:
            _, host = self._since.pop(context)
            del self._of_host[host][context]
            if not self._of_host[host]:
                del self._of_host[host]
