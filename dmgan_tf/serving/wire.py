"""The messages of `wire.proto`, which a client needs."""

from google.protobuf import message_factory

from dmgan_tf.serving import descriptors

_POOL = descriptors.pool("wire")


def _message(name):
    descriptor = _POOL.FindMessageTypeByName(f"dmgan_tf.wire.{name}")
    return message_factory.GetMessageClass(descriptor)


def _enum(name):
    values = _POOL.FindEnumTypeByName(f"dmgan_tf.wire.{name}").values
    return {value.name: value.number for value in values}


ModelSpec = _message("ModelSpec")
PredictRequest = _message("PredictRequest")
PredictResponse = _message("PredictResponse")
GetModelMetadataRequest = _message("GetModelMetadataRequest")
GetModelMetadataResponse = _message("GetModelMetadataResponse")
SignatureDefMap = _message("SignatureDefMap")
GetModelStatusRequest = _message("GetModelStatusRequest")
GetModelStatusResponse = _message("GetModelStatusResponse")
DATA_TYPES = _enum("DataType")  # name → number
VERSION_STATES = _enum("ModelVersionStatus.State")
