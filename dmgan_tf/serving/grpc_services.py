"""TF Serving's PredictionService and ModelService over `Models`."""

import math
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import tensorflow as tf
from google.protobuf.message import Message
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from dmgan_tf.serving.metrics import LATENCY, REQUESTS
from dmgan_tf.serving.model import RequestError, invalid
from dmgan_tf.serving.models import Models

_MOST_REPEATED = 4096


def _answered(handle: Callable) -> Callable:
    """Turns a RequestError into a gRPC status, and counts."""

    def method(self, request, context):
        start, code = time.perf_counter(), grpc.StatusCode.OK
        name = request.model_spec.name
        try:
            return handle(self, request)
        except RequestError as error:
            code = error.code
            context.abort(code, str(error))
        except Exception as error:
            code = grpc.StatusCode.INTERNAL
            context.abort(code, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
        finally:
            # Names that strangers made up must not become labels without end.
            label = name if name in self._models else ""
            REQUESTS.labels(label, "grpc", code.name).inc()
            LATENCY.labels(label, "grpc").observe(time.perf_counter() - start)

    return method


def _version(spec) -> int | None:
    if spec.WhichOneof("version_choice") == "version_label":
        raise invalid(f"Version labels are not supported. Received: {spec.version_label!r}.")
    return spec.version.value if spec.HasField("version") else None


def _model_name(request: Message) -> str:
    if not request.model_spec.name:
        raise invalid("Missing ModelSpec")
    return request.model_spec.name


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict and GetModelMetadata; the other calls of the service are UNIMPLEMENTED."""

    def __init__(self, models: Models):
        self._models = models

    @_answered
    def Predict(self, request):  # noqa: N802
        served = self._models[_model_name(request)]
        inputs = {name: _array(name, value) for name, value in request.inputs.items()}
        spec = request.model_spec
        version, outputs = served.predict(inputs, spec.signature_name, _version(spec))
        unknown = set(request.output_filter) - set(outputs)
        if unknown:
            raise invalid(f"output tensor alias not found in signature: {sorted(unknown)[0]}")
        response = predict_pb2.PredictResponse()
        response.model_spec.CopyFrom(spec)
        response.model_spec.version.value = version
        for name in request.output_filter or outputs:
            response.outputs[name].CopyFrom(tf.make_tensor_proto(outputs[name]))
        return response

    @_answered
    def GetModelMetadata(self, request):  # noqa: N802
        if list(request.metadata_field) != ["signature_def"]:
            raise invalid(
                f"Metadata field must be signature_def. Received: {list(request.metadata_field)}."
            )
        spec = request.model_spec
        version, model = self._models[_model_name(request)].model(_version(spec))
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = spec.name
        response.model_spec.version.value = version
        response.metadata["signature_def"].Pack(model.signature_defs)
        return response


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """GetModelStatus and HandleReloadConfigRequest."""

    def __init__(self, models: Models):
        self._models = models

    @_answered
    def GetModelStatus(self, request):  # noqa: N802
        wanted = _version(request.model_spec)
        name = _model_name(request)
        response = get_model_status_pb2.GetModelStatusResponse()
        for number, (state, error) in self._models[name].states().items():
            if wanted in (None, number):
                status = response.model_version_status.add(version=number)
                status.state = get_model_status_pb2.ModelVersionStatus.State.Value(state)
                status.status.error_code = grpc.StatusCode.UNKNOWN.value[0] if error else 0
                status.status.error_message = error
        if not response.model_version_status:
            raise RequestError(
                grpc.StatusCode.NOT_FOUND, f"Could not find version {wanted} of model {name}"
            )
        return response

    def HandleReloadConfigRequest(self, request, context):  # noqa: N802
        response = model_management_pb2.ReloadConfigResponse()
        configs = request.config.model_config_list.config
        if not configs or any(not (c.name and c.base_path) for c in configs):
            context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                "The config must list models, each with a name and a base_path.",
            )
        missing = [c.base_path for c in configs if not Path(c.base_path).is_dir()]
        if missing:
            context.abort(grpc.StatusCode.NOT_FOUND, f"No such folder: {missing[0]}")
        try:
            self._models.replace({c.name: Path(c.base_path) for c in configs})
        except RequestError as error:
            context.abort(error.code, str(error))
        return response


def _array(name, proto):
    sizes = [dimension.size for dimension in proto.tensor_shape.dim]
    if proto.tensor_shape.unknown_rank or any(size < 0 for size in sizes):
        raise invalid(f"Input {name!r} is no tensor: its shape is not known.")
    # A shape alone asks for memory, as one value may stand for all; values sent take a byte each.
    if math.prod(sizes) > max(_MOST_REPEATED, proto.ByteSize()):
        raise invalid(
            f"Input {name!r} is refused: its shape has more than {_MOST_REPEATED} values, and "
            "fewer were sent."
        )
    try:
        return tf.make_ndarray(proto)
    except (TypeError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise invalid(f"Input {name!r} is no tensor: {reason}") from error
