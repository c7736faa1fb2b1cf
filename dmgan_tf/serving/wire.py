"""The messages of `wire.proto`, made of its descriptor at import.

Generated code must not be newer than the protobuf that runs it; a descriptor is read by all.
`make wire` compiles `wire.proto` to `wire.binpb`.
"""

from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_POOL = descriptor_pool.DescriptorPool()
for _file in descriptor_pb2.FileDescriptorSet.FromString(
    Path(__file__).with_name("wire.binpb").read_bytes()
).file:
    _POOL.AddSerializedFile(_file.SerializeToString())


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
