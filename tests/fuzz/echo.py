"""A model that answers what it is sent, among the server's own readers and writers of requests."""

from concurrent.futures import Future

import grpc
import tensorflow as tf

from dmgan_tf.serving.limits import ExpectedInputs, Limits
from dmgan_tf.serving.model import Signature
from dmgan_tf.serving.request_error import RequestError, invalid

_INPUTS = {
    "serving_default": {
        "caption": tf.TensorSpec([None], tf.string),
        "seed": tf.TensorSpec([None], tf.int64),
    },
    "tokens": {
        "ids": tf.TensorSpec([None, None], tf.int32),
        "noise": tf.TensorSpec([None, 2], tf.float32),
        "real": tf.TensorSpec([None], tf.bool),
    },
    "number": {"number": tf.TensorSpec([], tf.float16)},
    "any": {"number": tf.TensorSpec(None, tf.uint64)},
}


class Models(dict):
    """One model, by any name."""

    limits = Limits()

    def __missing__(self, name):
        return Echo()

    def submit(self, name, *arguments):
        return self[name].submit(*arguments)


class Echo:
    """As `ServedModel` to those that submit to it."""

    name = "dmgan"

    def submit(self, read, signature="", choice=None, outputs=(), deadline=0.0):
        specs = _INPUTS.get(signature or "serving_default")
        if specs is None:
            raise RequestError(grpc.StatusCode.FAILED_PRECONDITION, "no such signature")
        if not specs.keys() >= set(outputs):
            raise invalid("no such output")
        expected = ExpectedInputs(Signature(None, specs, specs), Models.limits)
        inputs = read(expected)
        expected.check_values(inputs)
        future = Future()
        future.set_result(
            {name: tf.constant(array, specs[name].dtype).numpy() for name, array in inputs.items()}
        )
        return 1, future


class RefusedError(Exception):
    """A call that ended with a code of its own."""


class Context:
    """What gRPC gives to a handler."""

    def abort(self, code, message):
        if code is grpc.StatusCode.INTERNAL:
            raise AssertionError(message)
        raise RefusedError

    def invocation_metadata(self):
        return ()

    def time_remaining(self):
        return None

    def add_callback(self, callback):
        return True
