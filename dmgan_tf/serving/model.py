"""One version of a model: a SavedModel, loaded and warmed up."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow_serving.apis.get_model_metadata_pb2 import SignatureDefMap
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from dmgan_tf.serving.request_error import RequestError

_PRIVATE = "__saved_model"  # names of signatures that TensorFlow adds for itself
DEFAULT_SIGNATURE = "serving_default"

Tensors = dict[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Signature:
    """A function of a SavedModel, with the types and shapes of what it takes and gives."""

    call: Callable[..., dict[str, tf.Tensor]]
    inputs: dict[str, tf.TensorSpec]
    outputs: dict[str, tf.TensorSpec]

    @property
    def batchable(self) -> bool:
        """Whether requests may be joined along dimension 0 of every input and output."""
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
            name: Signature(call, call.structured_input_signature[1], dict(call.structured_outputs))
            for name, call in self._loaded.signatures.items()
        }
        self._warm_up()

    def signature(self, name: str) -> Signature:
        """A signature by its name. Raises: RequestError."""
        if name not in self._signatures:
            raise RequestError(
                grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.'
            )
        return self._signatures[name]

    def run(self, signature: str, inputs: Tensors) -> Tensors:
        """Outputs of a signature; the inputs are checked ones.

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
            self.run(request.model_spec.signature_name or DEFAULT_SIGNATURE, inputs)


def numpy_type(dtype: tf.DType) -> np.dtype:
    """The type of arrays for a TensorFlow type; object for strings."""
    return np.dtype(object if dtype == tf.string else dtype.as_numpy_dtype)
