"""TF Serving's PredictionService and ModelService over `ServedModels`."""

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future

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

from dmgan_tf.serving import metrics, tracing
from dmgan_tf.serving.limits import ExpectedInputs
from dmgan_tf.serving.model import Tensors
from dmgan_tf.serving.reload import Reload
from dmgan_tf.serving.request_error import RequestError, invalid, told
from dmgan_tf.serving.served_model import Choice
from dmgan_tf.serving.served_models import ServedModels


def answered(handle: Callable) -> Callable:
    """Turns an error into a gRPC status, counts, and traces; for classes with `service`, a name."""

    def method(self, request, context):
        start, code = time.monotonic(), grpc.StatusCode.OK
        name, headers = f"{self.service}/{handle.__name__}", dict(context.invocation_metadata())
        with tracing.request(name, headers, rpc_system_name="grpc", rpc_method=name):
            try:
                return handle(self, request, context)
            except Exception as error:
                code, message = told(error)
                context.abort(code, message)
            finally:
                # Names that callers made up must not become labels without bound.
                asked = _name_of(request)
                label = asked if asked in self.models else ""
                metrics.count(label, "grpc", code.name, time.monotonic() - start)
                tracing.ended(label, code.name)

    return method


def _name_of(request):
    """The model that a request of any service names."""
    named = getattr(request, "model_spec", request)
    return getattr(named, "model_name", None) or getattr(named, "name", "")


class Room:
    """How many predictions may wait at a time, each in a thread of the server."""

    def __init__(self, most: int):
        self._free = threading.Semaphore(most)

    def __enter__(self):
        if not self._free.acquire(blocking=False):
            raise RequestError(
                grpc.StatusCode.RESOURCE_EXHAUSTED, "Too many requests wait for their answers."
            )

    def __exit__(self, *exception):
        self._free.release()


def deadline_of(context: grpc.ServicerContext, answer_seconds: float) -> float:
    """When the caller stops waiting, on the clock of `time.monotonic`."""
    left = context.time_remaining()
    return time.monotonic() + min(answer_seconds, math.inf if left is None else left)


def outputs_of(future: Future, context: grpc.ServicerContext, deadline: float) -> Tensors:
    """What the model answers, unless the caller leaves or the deadline comes first.

    Raises: RequestError.
    """
    if not context.add_callback(future.cancel):  # at the end of the call, however it ends
        future.cancel()  # it has ended
    try:
        error = future.exception(max(0.0, deadline - time.monotonic()))
    except TimeoutError:
        raise RequestError(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded") from None
    except CancelledError:
        raise RequestError(grpc.StatusCode.CANCELLED, "The caller has gone.") from None
    if error:
        raise RequestError(*told(error))  # a new one: the future's would keep the request
    return future.result()


def _choice(spec) -> Choice:
    if spec.WhichOneof("version_choice") == "version_label":
        return spec.version_label
    return spec.version.value if spec.HasField("version") else None


def _model_name(request: Message) -> str:
    if not request.model_spec.name:
        raise invalid("Missing ModelSpec")
    return request.model_spec.name


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict and GetModelMetadata; the other calls of the service are UNIMPLEMENTED."""

    service = "tensorflow.serving.PredictionService"

    def __init__(self, models: ServedModels, room: Room):
        self.models = models
        self._room = room

    @answered
    def Predict(self, request, context):  # noqa: N802
        def read(expected):
            expected.check_names(request.inputs)
            return {name: _array(name, value, expected) for name, value in request.inputs.items()}

        spec = request.model_spec
        deadline = deadline_of(context, self.models.limits.answer_seconds)
        with self._room:
            version, future = self.models.submit(
                _model_name(request),
                read,
                spec.signature_name,
                _choice(spec),
                request.output_filter,
                deadline,
            )
            outputs = outputs_of(future, context, deadline)
        response = predict_pb2.PredictResponse()
        response.model_spec.name = spec.name
        response.model_spec.signature_name = spec.signature_name
        response.model_spec.version.value = version
        for name in dict.fromkeys(request.output_filter) or outputs:
            _write(outputs[name], response.outputs[name])
        return response

    @answered
    def GetModelMetadata(self, request, context):  # noqa: N802
        if list(request.metadata_field) != ["signature_def"]:
            raise invalid(
                f"Metadata field must be signature_def. Received: {list(request.metadata_field)}."
            )
        spec = request.model_spec
        version, model = self.models[_model_name(request)].model(_choice(spec))
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = spec.name
        response.model_spec.version.value = version
        response.metadata["signature_def"].Pack(model.signature_defs)
        return response


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """GetModelStatus, and HandleReloadConfigRequest where it is allowed."""

    service = "tensorflow.serving.ModelService"

    def __init__(self, models: ServedModels, reload: Reload):
        self.models = models
        self._reload = reload

    @answered
    def GetModelStatus(self, request, context):  # noqa: N802
        served = self.models[_model_name(request)]
        response = get_model_status_pb2.GetModelStatusResponse()
        for number, (state, error) in served.states(_choice(request.model_spec)).items():
            status = response.model_version_status.add(version=number)
            status.state = get_model_status_pb2.ModelVersionStatus.State.Value(state)
            status.status.error_code = grpc.StatusCode.UNKNOWN.value[0] if error else 0
            status.status.error_message = error
        return response

    @answered
    def HandleReloadConfigRequest(self, request, context):  # noqa: N802
        self.models.replace(self._reload.sources(request.config))
        return model_management_pb2.ReloadConfigResponse()


def _write(array, proto):
    """Fills a TensorProto, several times as fast as `tf.make_tensor_proto` and its copy."""
    proto.dtype = tf.as_dtype(array.dtype).as_datatype_enum
    proto.tensor_shape.SetInParent()
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if array.dtype == object:
        proto.string_val.extend(array.ravel().tolist())
    else:
        proto.tensor_content = array.tobytes()


def _array(name, proto, expected: ExpectedInputs):
    expected.check_rank(name, len(proto.tensor_shape.dim))
    sizes = [dimension.size for dimension in proto.tensor_shape.dim]
    if proto.tensor_shape.unknown_rank or any(size < 0 for size in sizes):
        raise invalid(f"Input {name!r} is no tensor: its shape is not known.")
    expected.check_shape(name, sizes)  # a shape alone asks for memory: one value may fill it
    try:
        return tf.make_ndarray(proto)
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        reason = " ".join(str(error).split())[:200]
        raise invalid(f"Input {name!r} is no tensor: {reason}") from error
