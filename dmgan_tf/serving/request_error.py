"""A request that can't be answered."""

import grpc

_MOST_CHARACTERS = 500  # a message may quote the request, and travels in a header of gRPC


class RequestError(Exception):
    """Why a request isn't answered: a gRPC code, and words as TF Serving has them."""

    def __init__(self, code: grpc.StatusCode, message: str):
        message = message[:_MOST_CHARACTERS].encode("utf-8", "backslashreplace").decode()
        super().__init__(message)
        self.code = code


def invalid(message: str) -> RequestError:
    """A RequestError of code INVALID_ARGUMENT."""
    return RequestError(grpc.StatusCode.INVALID_ARGUMENT, message)


def told(error: BaseException) -> tuple[grpc.StatusCode, str]:
    """The code and the words that the caller gets of any error.

    Not the error itself: kept in a variable it would keep its frames, and with them the request.
    """
    if isinstance(error, RequestError):
        return error.code, str(error)
    reason = " ".join(str(error).split())[:300]
    return grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {reason}"
