"""KServe's Open Inference Protocol over gRPC; `kserve.proto` has its calls."""

import functools
from collections.abc import Callable

import grpc
import numpy as np
from google.protobuf.message_factory import GetMessageClass

from dmgan_tf.serving import descriptors, kserve_tensors
from dmgan_tf.serving.grpc_services import Room, answered, deadline_of, outputs_of
from dmgan_tf.serving.kserve_rest import SERVER
from dmgan_tf.serving.model import DEFAULT_SIGNATURE
from dmgan_tf.serving.request_error import RequestError, invalid
from dmgan_tf.serving.served_model import Choice, version_number
from dmgan_tf.serving.served_models import ServedModels

_SERVICE = descriptors.pool("kserve").FindServiceByName("dmgan_tf.kserve.GRPCInferenceService")
_MESSAGES = {
    call.name: (GetMessageClass(call.input_type), GetMessageClass(call.output_type))
    for call in _SERVICE.methods
}
_CONTENTS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
_MOST_OUTPUTS = 1000


def _call(handle: Callable) -> Callable:
    """A call that names a model: its handler returns the fields of the answer."""
    _, response = _MESSAGES[handle.__name__]

    @functools.wraps(handle)
    def call(self, request, context):
        return response(**handle(self, request, context))

    return answered(call)


class InferenceService:
    """The protocol's calls."""

    service = "inference.GRPCInferenceService"

    def __init__(self, models: ServedModels, room: Room):
        self.models = models
        self._room = room

    def handler(self) -> grpc.GenericRpcHandler:
        """What a server routes the calls to."""
        return grpc.method_handlers_generic_handler(
            self.service,
            {
                name: grpc.unary_unary_rpc_method_handler(
                    getattr(self, name),
                    request_deserializer=request.FromString,
                    response_serializer=lambda message: message.SerializeToString(),
                )
                for name, (request, _) in _MESSAGES.items()
            },
        )

    def ServerLive(self, request, context):  # noqa: N802
        return _MESSAGES["ServerLive"][1](live=True)

    def ServerReady(self, request, context):  # noqa: N802
        return _MESSAGES["ServerReady"][1](ready=self.models.available())

    def ServerMetadata(self, request, context):  # noqa: N802
        return _MESSAGES["ServerMetadata"][1](**SERVER)

    @_call
    def ModelReady(self, request, context):  # noqa: N802
        try:
            self.models[request.name].model(_choice(request.version))
        except RequestError as error:
            if error.code != grpc.StatusCode.NOT_FOUND:
                raise
            return {"ready": False}
        return {"ready": True}

    @_call
    def ModelMetadata(self, request, context):  # noqa: N802
        served = self.models[request.name]
        _, model = served.model(_choice(request.version))
        signature = model.signature(DEFAULT_SIGNATURE)
        return kserve_tensors.metadata(served.name, served.answering(), signature)

    @_call
    def ModelInfer(self, request, context):  # noqa: N802
        if len(request.outputs) > _MOST_OUTPUTS:
            raise invalid(f"{len(request.outputs)} outputs; at most {_MOST_OUTPUTS} are taken.")
        raw = list(request.raw_input_contents)
        if raw and len(raw) != len(request.inputs):
            raise invalid(f"{len(request.inputs)} inputs need as many raw contents.")

        def read(expected):
            expected.check_count(len(request.inputs))
            contents = raw or [tensor.contents for tensor in request.inputs]
            given = {t.name: (t, c) for t, c in zip(request.inputs, contents, strict=True)}
            expected.check_names(given)
            return {name: _array(tensor, c, expected) for name, (tensor, c) in given.items()}

        names = [output.name for output in request.outputs]
        deadline = deadline_of(context, self.models.limits.answer_seconds)
        with self._room:
            version, future = self.models.submit(
                request.model_name,
                read,
                request.parameters["signature_name"].string_param,
                _choice(request.model_version),
                names,
                deadline,
            )
            outputs = outputs_of(future, context, deadline)
        wanted = {name: outputs[name] for name in names or outputs}
        return {
            "model_name": request.model_name,
            "model_version": str(version),
            "id": request.id,
            "outputs": [
                {
                    "name": name,
                    "datatype": kserve_tensors.datatype(array.dtype),
                    "shape": array.shape,
                }
                for name, array in wanted.items()
            ],
            "raw_output_contents": [kserve_tensors.to_raw(array) for array in wanted.values()],
        }


def _choice(version) -> Choice:
    return version_number(version) if version else None


def _array(tensor, contents, expected):
    dtype = kserve_tensors.check(tensor.name, tensor.datatype, tensor.shape, expected)
    if isinstance(contents, bytes):
        return kserve_tensors.from_raw(tensor.name, contents, tensor.shape, dtype)
    values = getattr(contents, _CONTENTS.get(tensor.datatype, ""), ())
    if len(values) != np.prod(tensor.shape, dtype=int):
        raise invalid(
            f"Input {tensor.name!r} has {len(values)} values; its shape is {list(tensor.shape)}."
        )
    try:
        return np.array(list(values), dtype).reshape(tensor.shape)
    except (OverflowError, ValueError) as error:
        raise invalid(f"Failed to process input {tensor.name!r}: {error}") from error
