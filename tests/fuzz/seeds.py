"""The inputs that `make fuzz` begins with: honest files and requests of every kind."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import tarfile
import zipfile

import numpy as np
import tensorflow as tf
from google.protobuf.message_factory import GetMessageClass
from pickles import (
    ALL,
    DTYPE,
    LITTLE,
    PART,
    ROW,
    call,
    dictionary,
    name,
    number,
    old_file,
    one,
    part,
    pickled,
    python_2_text,
    storage,
    tensor,
    text,
    tuple_of,
    view,
    whole,
    zip_file,
)
from PIL import Image
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from dmgan_tf.serving import descriptors

InferRequest = GetMessageClass(
    descriptors.pool("kserve").FindMessageTypeByName("dmgan_tf.kserve.ModelInferRequest")
)
ARCHIVES = (".tar", ".zip", ".tgz", ".tar.bz2", ".tar.xz")
SUFFIXES = {"webdataset": ".tar", "tfrecord": ".tfrecord"}
SAMPLES = tuple(SUFFIXES)
LISTS = ("red.txt", "metadata.csv", "metadata.jsonl", "captions.json", "test.txt")


def pickles():
    words = {0: "<end>", 1: "red", 2: "bird"}
    content = [[[1, 2], [2]], [[1]], words, {word: i for i, word in words.items()}]
    arrays = [np.arange(3), np.ones((2, 2), "F"), np.float32(1), np.array(["a", "bc"])]
    values = [True, None, 1.5, 2**70, b"bytes", (1, (2,)), "é", arrays]
    made = [
        pickle.dumps(value, protocol)
        for value in (content, values)
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    ]
    reconstruct = call(
        name("numpy.core.multiarray", "_reconstruct"),
        *(name("numpy", "ndarray"), tuple_of(number(0)), text("b")),
    )
    dtype = call(DTYPE, text("f8"), b"\x89\x88") + LITTLE
    state = tuple_of(number(1), tuple_of(number(2)), dtype, b"\x89", text("\0" * 16))
    python_2 = tuple_of(python_2_text("a\xe9"), b"S'b'\nI01\nL5L\n")
    return [*made, pickled(reconstruct, state, b"b"), pickled(python_2)]


def torch_files():
    trees = (
        one(ALL),
        PART,
        one(view([2, 3], [3, 1], 4)),
        dictionary({"a.weight": view([2], [12]), "a.bias": view([], [])}),
        one(tensor(storage("0", "Float", 24, view=part(2, 4)), [4], [1])),
        one(call(name("torch._utils", "_rebuild_parameter"), ALL, b"\x88", b"N")),
        dictionary({"state_dict": one(ALL), "epoch": number(3)}),
        one(tensor(storage("0", "Float", 24), [24], [1], rebuild="_rebuild_tensor")),
    )
    forms = [form(tree, {"0": ROW}) for tree in trees for form in (old_file, zip_file)]
    kinds = [np.arange(4).astype(kind) for kind in ("f8", "f2", "i8", "i4", "u1", "?")]
    return forms + [zip_file(one(whole(array)), {"0": array}) for array in kinds]


def archives():
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, size, kind in (
            ("a/b.jpg", 700, tarfile.REGTYPE),
            ("a", 0, tarfile.DIRTYPE),
            ("é" * 120, 3, tarfile.REGTYPE),
        ):
            member = tarfile.TarInfo(path)
            member.size, member.type = size, kind
            tar.addfile(member, io.BytesIO(b"x" * size))
    used = -(-len(packed.getvalue().rstrip(b"\0")) // tarfile.BLOCKSIZE)
    tarball = packed.getvalue()[: (used + 2) * tarfile.BLOCKSIZE]  # two empty blocks are the end
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("a/b.jpg", b"x" * 50)
        archive.writestr("c.txt", b"a red bird" * 20, zipfile.ZIP_DEFLATED)
        archive.writestr("d/", b"")
    with zipfile.ZipFile(many := io.BytesIO(), "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("e", b"y" * 50)
        archive.writestr("f", b"z" * 50, zipfile.ZIP_BZIP2)
    kinds = {
        ".tar": [tarball, _link(), _hole()],
        ".zip": [zipped.getvalue(), many.getvalue()],
        ".tgz": [gzip.compress(tarball)],
        ".tar.bz2": [bz2.compress(tarball)],
        ".tar.xz": [lzma.compress(tarball)],
    }
    return _numbered(ARCHIVES, kinds)


def _link():
    member = tarfile.TarInfo("link")
    member.type, member.linkname = tarfile.SYMTYPE, "a/b.jpg"
    return member.tobuf() + bytes(1024)


def _hole():
    member = tarfile.TarInfo("hole")
    member.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "size": "9"}
    return member.tobuf(tarfile.PAX_FORMAT) + bytes(1024)


def captions():
    row = {"file_name": "red.jpg", "text": "a red bird", "class_id": 3, "split": "val"}
    rows = [row, {"file_name": "b.jpg", "captions": ["a", "b"], "box": [1, 2, 3.5, 4]}]
    table = (
        "file_name,text,captions,class_id,box,split\r\n"
        'red.jpg,"a ""red"", bird",,3.0,"[1, 2, 3, 4]",train\r\n'
        'b.jpg,,"[""a"", ""b""]",,,\n'
    )
    lists = {
        "red.txt": [b"a red bird\na bird\r\n\n", "a\u2028bé".encode(), "a bird\n".encode("utf-16")],
        "metadata.csv": [table.encode(), table.encode("utf-16"), b"\xef\xbb\xbf" + table.encode()],
        "metadata.jsonl": ["\n".join(map(json.dumps, rows)).encode()],
        "captions.json": [b'{"red.jpg": "a red bird", "b/c.jpg": ["a", "b"]}'],
        "test.txt": [b"red.jpg\n"],
    }
    return _numbered(LISTS, lists)


def samples():
    Image.new("RGB", (40, 30), "red").save(picture := io.BytesIO(), "JPEG")
    values = {"key": "0", "jpg": picture.getvalue(), "txt": "a red bird", "similarity": "0.5"}
    with tarfile.open(fileobj=(tarred := io.BytesIO()), mode="w") as tar:
        for kind in ("jpg", "txt", "json"):
            content = values.get(kind, '{"LANGUAGE": "en"}')
            content = content if isinstance(content, bytes) else content.encode()
            (member := tarfile.TarInfo(f"0.{kind}")).size = len(content)
            tar.addfile(member, io.BytesIO(content))
    example = tf.train.Example()
    for key, value in values.items():
        value = value if isinstance(value, bytes) else value.encode()
        example.features.feature[key].bytes_list.value.append(value)
    record = example.SerializeToString()
    contents = {
        "webdataset": [tarred.getvalue()],
        "tfrecord": [len(record).to_bytes(8, "little") + bytes(4) + record + bytes(4)],
    }
    return _numbered(SAMPLES, contents)


def _numbered(names, contents):
    return [bytes([i]) + content for i, n in enumerate(names) for content in contents[n]]


_REQUESTS = {
    "": {"caption": np.array([b"a red bird", b""], object), "seed": np.array([1, -2])},
    "tokens": {
        "ids": np.array([[1, 2, 0]], np.int32),
        "noise": np.array([[0.5, -1.5]], np.float32),
        "real": np.array([True]),
    },
    "number": {"number": np.array(2.5, np.float16)},
    "any": {"number": np.arange(6, dtype=np.uint64).reshape(2, 3)},
}


def tensors():
    made = []
    for signature, inputs in _REQUESTS.items():
        whole_, fields = PredictRequest(), PredictRequest()
        for request in (whole_, fields):
            request.model_spec.name, request.model_spec.signature_name = "dmgan", signature
        for key, value in inputs.items():
            whole_.inputs[key].CopyFrom(tf.make_tensor_proto(value))
            fields.inputs[key].CopyFrom(_proto_of_values(value))
        fields.output_filter.append(next(iter(inputs)))
        made += [b"t" + request.SerializeToString() for request in (whole_, fields)]
        raw, typed = _kserve(signature, inputs, True), _kserve(signature, inputs, False)
        made += [b"k" + request.SerializeToString() for request in (raw, typed)]
    return made


def _proto_of_values(value):
    """A tensor whose values stand in the field of their type, as hand-written clients send them."""
    proto = tf.make_tensor_proto(value)
    if not proto.tensor_content:
        return proto
    proto.tensor_content = b""
    field = {"i4": "int_val", "i8": "int64_val", "f4": "float_val", "u8": "uint64_val"}
    getattr(proto, field[value.dtype.str[1:]]).extend(value.ravel().tolist())
    return proto


_TYPES = {"O": "BYTES", "i8": "INT64", "i4": "INT32", "f4": "FP32", "f2": "FP16", "u8": "UINT64"}
_FIELDS = {"O": "bytes", "i8": "int64", "i4": "int", "f4": "fp32", "u8": "uint64", "b1": "bool"}


def _code(value):
    return "O" if value.dtype == object else value.dtype.str[1:]


def _raw(value):
    if value.dtype == object:
        return b"".join(len(v).to_bytes(4, "little") + v for v in value.flat)
    return value.tobytes()


def _kserve(signature, inputs, raw):
    request = InferRequest(model_name="dmgan", id="1")
    request.parameters["signature_name"].string_param = signature
    for key, value in inputs.items():
        code = _code(value)
        tensor_ = request.inputs.add(name=key, shape=value.shape, datatype=_TYPES.get(code, "BOOL"))
        if raw:
            request.raw_input_contents.append(_raw(value))
        elif code in _FIELDS:
            getattr(tensor_.contents, f"{_FIELDS[code]}_contents").extend(value.ravel().tolist())
    request.outputs.add(name=next(iter(inputs)))
    return request


def bodies():
    made = [b'v{"instances": [{"caption": {"b64": "YQ=="}, "seed": 1e9}]}']
    for signature, inputs in _REQUESTS.items():
        plain = {key: _plain(value) for key, value in inputs.items()}
        columns = {"signature_name": signature, "inputs": plain}
        made.append(b"v" + json.dumps(columns).encode())
        if all(value.ndim for value in inputs.values()):
            rows = [dict(zip(plain, row, strict=True)) for row in zip(*plain.values(), strict=True)]
            instances = {"signature_name": signature, "instances": rows}
            made.append(b"v" + json.dumps(instances).encode())
        made.append(b"k\0\0" + json.dumps(_kserve_json(signature, inputs, False)).encode())
        head = json.dumps(_kserve_json(signature, inputs, True)).encode()
        raw = b"".join(map(_raw, inputs.values()))
        made.append(b"k" + len(head).to_bytes(2) + head + raw)
    return made


def _plain(value):
    return [v.decode() for v in value] if value.dtype == object else value.tolist()


def _kserve_json(signature, inputs, binary):
    described = []
    for key, value in inputs.items():
        kind = _TYPES.get(_code(value), "BOOL")
        item = {"name": key, "datatype": kind, "shape": list(value.shape)}
        if binary:
            item["parameters"] = {"binary_data_size": len(_raw(value))}
        else:
            item["data"] = _plain(value.ravel())
        described.append(item)
    return {
        "id": "1",
        "parameters": {"signature_name": signature, "binary_data_output": binary},
        "inputs": described,
        "outputs": [{"name": key} for key in inputs],
    }
