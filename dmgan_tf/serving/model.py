"""One version of a model: a SavedModel, loaded, warmed up, and held against its signatures."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow_serving.apis.get_model_metadata_pb2 import SignatureDefMap
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

_PRIVATE = "__saved_model"  # names of signatures that TensorFlow adds for itself
DEFAULT_SIGNATURE = "serving_default"

Tensors = dict[str, np.ndarray]


class RequestError(Exception):
    """A request that can't be answered: a gRPC code, and words as TF Serving has them."""

    def __init__(self, code: grpc.StatusCode, message: str):
        super().__init__(message)
        self.code = code


def invalid(message: str) -> RequestError:
    """A RequestError of code INVALID_ARGUMENT."""
    return RequestError(grpc.StatusCode.INVALID_ARGUMENT, message)


@dataclass(frozen=True, slots=True)
class _Signature:
    call: Callable[..., dict[str, tf.Tensor]]
    inputs: dict[str, tf.TensorSpec]
    outputs: dict[str, tf.TensorSpec]

    @property
    def batchable(self):
        specs = (*self.inputs.values(), *self.outputs.values())
        return bool(self.inputs) and all(s.shape.rank and s.shape[0] is None for s in specs)


class Model:
    """A SavedModel that answers requests.

    Args: directory: a version's folder.
    Raises: OSError, ValueError: when it holds no SavedModel that can be loaded.
    """

    def __init__(self, directory: Path):
        self.directory = directory
        content = (directory / "saved_model.pb").read_bytes()
        definitions = SavedModel.FromString(content).meta_graphs[0].signature_def
        self.signature_defs = SignatureDefMap()
        for name, definition in definitions.items():
            if not name.startswith(_PRIVATE):
                self.signature_defs.signature_def[name].CopyFrom(definition)
        self._loaded = tf.saved_model.load(str(directory))  # owns the variables
        self._signatures = {
            name: _Signature(
                call, call.structured_input_signature[1], dict(call.structured_outputs)
            )
            for name, call in self._loaded.signatures.items()
        }
        self._warm_up()

    def input_types(self, signature: str) -> dict[str, np.dtype]:
        """NumPy types of a signature's inputs; object for strings. Raises: RequestError."""
        return {name: _numpy_type(spec) for name, spec in self._found(signature).inputs.items()}

    def _found(self, signature):
        if signature not in self._signatures:
            raise RequestError(
                grpc.StatusCode.FAILED_PRECONDITION,
                f'Serving signature key "{signature}" not found.',
            )
        return self._signatures[signature]

    def batchable(self, signature: str) -> bool:
        """Whether requests may be joined along dimension 0 of every input and output."""
        return self._signatures[signature].batchable

    def checked(self, signature: str, inputs: Tensors) -> Tensors:
        """The inputs, if the signature takes them.

        Raises: RequestError.
        """
        specs = self._found(signature).inputs
        if set(inputs) != set(specs):
            raise invalid(
                f"input size does not match signature: {len(inputs)}!={len(specs)} "
                f"Sent extra: {sorted(set(inputs) - set(specs))}. "
                f"Missing but required: {sorted(set(specs) - set(inputs))}."
            )
        for name, spec in specs.items():
            _check(name, inputs[name], spec)
        if self.batchable(signature) and len({len(array) for array in inputs.values()}) > 1:
            sizes = {name: len(array) for name, array in inputs.items()}
            raise invalid(
                f"Batching session Run() input tensors must have equal 0th-dimension "
                f"size. Received: {sizes}."
            )
        return inputs

    def run(self, signature: str, inputs: Tensors) -> Tensors:
        """Outputs of a signature; the inputs are `checked` ones.

        Raises: RequestError: when the graph refuses them.
        """
        called = self._signatures[signature]
        tensors = {
            name: tf.constant(array, called.inputs[name].dtype) for name, array in inputs.items()
        }
        try:
            return {name: value.numpy() for name, value in called.call(**tensors).items()}
        except tf.errors.OpError as error:
            codes = {code.value[0]: code for code in grpc.StatusCode}
            message = " ".join(str(error.message).split())[:500]
            raise RequestError(
                codes.get(error.error_code, grpc.StatusCode.INTERNAL), message
            ) from error

    def _warm_up(self):
        path = self.directory / "assets.extra" / "tf_serving_warmup_requests"
        if not path.exists():
            return
        for record in tf.data.TFRecordDataset(str(path)):
            request = PredictionLog.FromString(record.numpy()).predict_log.request
            inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
            signature = request.model_spec.signature_name or DEFAULT_SIGNATURE
            self.run(signature, self.checked(signature, inputs))


def _numpy_type(spec):
    return np.dtype(object if spec.dtype == tf.string else spec.dtype.as_numpy_dtype)


def _check(name, array, spec):
    if array.dtype != _numpy_type(spec):
        found = "string" if array.dtype == object else array.dtype.name
        raise invalid(f"Expects input {name!r} to be {spec.dtype.name} but {found} is provided.")
    if not spec.shape.is_compatible_with(array.shape):
        raise invalid(
            f"Input {name!r} must have the shape {_shown(spec.shape)}. Received: "
            f"{_shown(array.shape)}."
        )
    if array.ndim and len(array) == 0:
        raise invalid(f"Input {name!r} has no rows. Received: {_shown(array.shape)}.")


def _shown(shape):
    return "[" + ",".join("?" if size is None else str(size) for size in shape) + "]"
