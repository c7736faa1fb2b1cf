"""Messages made at import of the descriptors that `make wire` compiles.

Generated code must not be newer than the protobuf that runs it; a descriptor is read by all.
"""

from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool


def pool(name: str) -> descriptor_pool.DescriptorPool:
    """What the file `name`.binpb beside this one describes."""
    content = Path(__file__).with_name(f"{name}.binpb").read_bytes()
    found = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(content).file:
        found.AddSerializedFile(file.SerializeToString())
    return found
