"""Bearer tokens, which calls must carry where a file of them is given; health stays open."""

import hmac
import re
from collections.abc import Callable
from pathlib import Path

import grpc
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from dmgan_tf.serving import metrics
from dmgan_tf.serving.renewed_files import RenewedFiles

_REFUSED = "A bearer token is needed, one that the server knows."
_TOKEN = re.compile(rb"(?=.{16})[A-Za-z0-9._~+/-]+=*")  # RFC 6750, and none to be guessed
_OPEN_CALLS = re.compile(
    r"/grpc\.health\.v1\.Health/Check|/inference\.GRPCInferenceService/(Server(Live|Ready)|ModelReady)"
)
_OPEN_PATHS = re.compile(r"/v2/health/(live|ready)|/v2/models/[^/]+(/versions/[^/]+)?/ready")


def is_open(method: str) -> bool:
    """Whether a call of gRPC, "/service/call", needs no token."""
    return bool(_OPEN_CALLS.fullmatch(method))


class Tokens:
    """The tokens of a file, one a line; any of them will do, so that they can be changed in turn.

    Raises: OSError, ValueError: when the file holds none, or something else.
    """

    def __init__(self, path: Path):
        self._file = RenewedFiles([path], _tokens)

    def refresh(self) -> None:
        """Reads the file anew if it has changed."""
        self._file.refresh()

    def accept(self, authorization: str | None) -> bool:
        """Whether a header's value holds one; takes the same time whichever it is."""
        scheme, _, token = (authorization or "").partition(" ")
        given = token.strip().encode("utf-8", "surrogateescape")
        found = [hmac.compare_digest(given, known) for known in self._file.value]
        return scheme.lower() == "bearer" and any(found)


def _tokens(content):
    found = [line for line in map(bytes.strip, content.splitlines()) if line]
    if not found or not all(map(_TOKEN.fullmatch, found)):
        raise ValueError(
            "must hold tokens, one a line, of 16 characters or more: letters, digits and -._~+/"
        )
    if not content.endswith(b"\n"):
        raise ValueError("must hold tokens, one a line, and end with a line break")
    return found


class TokenInterceptor(grpc.ServerInterceptor):
    """Refuses gRPC's calls without a token, before their requests are read."""

    def __init__(self, tokens: Tokens):
        self._tokens = tokens
        self._refusal = grpc.stream_unary_rpc_method_handler(_refuse)

    def intercept_service(self, continuation: Callable, handler_call_details):
        """The handler of a call, or the refusal."""
        header = dict(handler_call_details.invocation_metadata).get("authorization")
        if is_open(handler_call_details.method) or self._tokens.accept(header):
            return continuation(handler_call_details)
        return self._refusal


def _refuse(requests, context):
    metrics.count("", "grpc", grpc.StatusCode.UNAUTHENTICATED.name, 0.0)
    context.abort(grpc.StatusCode.UNAUTHENTICATED, _REFUSED)


class TokenMiddleware:
    """Refuses HTTP requests without a token, before their bodies are read."""

    def __init__(self, application: ASGIApp, tokens: Tokens):
        self._application = application
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        header = Headers(scope=scope).get("authorization")
        if _OPEN_PATHS.fullmatch(scope["path"]) or self._tokens.accept(header):
            await self._application(scope, receive, send)
            return
        metrics.count("", "rest", grpc.StatusCode.UNAUTHENTICATED.name, 0.0)
        answer = JSONResponse({"error": _REFUSED}, 401, {"WWW-Authenticate": "Bearer"})
        await answer(scope, receive, send)
