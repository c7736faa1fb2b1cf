"""Forty kinds of requests that no honest client sends, each with the code that it must get."""

import http.client
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import grpc
from google.protobuf.message_factory import GetMessageClass

from dmgan_tf.serving import descriptors, wire

_SECONDS = 60  # for an answer
_INT64, _INT32, _STRING = (wire.DATA_TYPES[f"DT_{name}"] for name in ("INT64", "INT32", "STRING"))
_PREDICT = "/v1/models/dmgan:predict"
_VERSIONS = "/v1/models/dmgan/versions"
_INFER = "/v2/models/dmgan/infer"
_HEAD = "Inference-Header-Content-Length"
_PREDICTION = "/tensorflow.serving.PredictionService/"
_RELOAD = "/tensorflow.serving.ModelService/HandleReloadConfigRequest"
_KSERVE = "/inference.GRPCInferenceService/ModelInfer"


@dataclass(frozen=True)
class Target:
    """A server: its REST address, and a channel to it."""

    rest: str
    channel: grpc.Channel


@dataclass(frozen=True)
class Kind:
    """A kind of request; `send` gives the code of the answer: HTTP's, or the name of gRPC's."""

    name: str
    code: int | str
    send: Callable[[Target], int | str]


def _http(name, code, body=None, path=_PREDICT, method="POST", headers=()):
    content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()

    def send(target):
        connection = http.client.HTTPConnection(urlsplit(target.rest).netloc, timeout=_SECONDS)
        try:
            connection.request(method, path, content, dict(headers))
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()

    return Kind(name, code, send)


def _raw(name, code, content):
    def send(target):
        address = urlsplit(target.rest)
        with socket.create_connection((address.hostname, address.port), _SECONDS) as opened:
            opened.sendall(content)
            return int(opened.makefile("rb").readline().split()[1])

    return Kind(name, code, send)


def _grpc(name, code, message=b"", method=_PREDICTION + "Predict", timeout=_SECONDS, metadata=()):
    content = message if isinstance(message, bytes) else message.SerializeToString()

    def send(target):
        try:
            target.channel.unary_unary(method)(content, timeout=timeout, metadata=metadata)
        except grpc.RpcError as error:
            return error.code().name
        return "OK"

    return Kind(name, code, send)


def _predict(rows=1, signature="", caption=(b"a red bird",), seed=(1,), **tensor):
    """A request for pictures; `tensor`: fields of the seed's tensor."""
    message = wire.PredictRequest(model_spec={"name": "dmgan", "signature_name": signature})
    shape = {"dim": [{"size": rows}]}
    message.inputs["caption"].MergeFrom(
        type(message.inputs["caption"])(dtype=_STRING, tensor_shape=shape, string_val=caption)
    )
    fields = {"dtype": _INT64, "tensor_shape": shape, "int64_val": seed} | tensor
    message.inputs["seed"].MergeFrom(type(message.inputs["seed"])(**fields))
    return message


def _tokens(words):
    message = wire.PredictRequest(model_spec={"name": "dmgan", "signature_name": "tokens"})
    for name, sizes in (("ids", [1, words]), ("lengths", [1])):
        message.inputs[name].dtype = _INT32
        message.inputs[name].tensor_content = b"\1\0\0\0" * sizes[-1]
        for size in sizes:
            message.inputs[name].tensor_shape.dim.add(size=size)
    for name in ("noise", "condition_noise"):
        message.inputs[name].dtype = wire.DATA_TYPES["DT_FLOAT"]
        message.inputs[name].float_val.append(0.0)
        for size in (1, 4):
            message.inputs[name].tensor_shape.dim.add(size=size)
    return message


def _infer(raw=()):
    pool = descriptors.pool("kserve")
    request = GetMessageClass(pool.FindMessageTypeByName("dmgan_tf.kserve.ModelInferRequest"))
    seed = {"name": "seed", "datatype": "INT64", "shape": [1]}
    caption = {"name": "caption", "datatype": "BYTES", "shape": [1]}
    message = request(model_name="dmgan", inputs=[caption, seed], raw_input_contents=raw)
    return message.SerializeToString()


def _names(count):
    message = wire.PredictRequest(model_spec={"name": "dmgan"})
    for number in range(count):
        message.inputs[str(number)].dtype = _INT64
    return message


def _seed(**fields):
    return {"inputs": [{"name": "seed", "datatype": "INT64", "shape": [1], "data": [1], **fields}]}


def _instance(**values):
    return {"instances": [{"caption": "a red bird", "seed": 1} | values]}


def kinds() -> list[Kind]:
    """All of them."""
    bad, much, large = "INVALID_ARGUMENT", 400_000, 500_000
    words = {"signature_name": "encode_text", "instances": [["a"] * 50_000]}
    names = b'{"inputs": {' + b",".join(b'"%d": 1' % i for i in range(60_000)) + b"}}"
    again = _predict().SerializeToString() + b"\x1a\x05error" * 140_000
    return [
        _http("rows", 400, b'{"instances": [' + b"1," * much + b"1]}"),
        _http("columns", 400, b'{"inputs": {"seed": [' + b"1," * much + b"1]}}"),
        _http("lists in lists", 400, b"[" * 1_000_000),
        _http("objects in objects", 400, b'{"a":' * 200_000),
        _http("many objects", 400, b'{"instances": [' + b"{}," * 300_000 + b"{}]}"),
        _http("many names", 400, names),
        _http("a wide row", 400, words),
        _http("a body of 3 MB", 413, b" " * 3_000_000),
        _http("a long caption", 400, _instance(caption="bird " * 180_000)),
        _http("a long caption in base64", 400, _instance(caption={"b64": "YWFh" * 220_000})),
        _http("no base64", 400, _instance(caption={"b64": "!" * 900_000})),
        _http("a body that is no text", 400, b"\xff\xfe" * 400_000),
        _http("a number of 900,000 digits", 400, b'{"instances": [' + b"9" * 900_000 + b"]}"),
        _http("a number beyond all bounds", 400, _instance(seed=2**70)),
        _http("an unknown signature", 400, {"signature_name": "x" * 900_000, "instances": [1]}),
        _http("an unknown model", 404, _instance(), "/v1/models/nobody:predict"),
        _http(
            "a version of 6,000 digits", 400, None, f"/v1/models/dmgan/versions/{'9' * 6000}", "GET"
        ),
        _http("no POST", 405, method="GET"),
        _http("an address of 50 KB", 404, path="/" + "a" * 50_000, method="GET"),
        _http("v2: a shape alone", 400, _seed(shape=[10**9]), _INFER),
        _http("v2: many inputs", 400, b'{"inputs": [' + b"{}," * 300_000 + b"{}]}", _INFER),
        _http("v2: a head beyond the body", 400, _seed(), _INFER, headers={_HEAD: "9" * 9}.items()),
        _raw("no HTTP", 400, b"\x16\x03\x01" * 100 + b"\r\n\r\n"),
        _raw("headers of 200 KB", 400, b"GET / HTTP/1.1\r\nA: " + b"a" * 200_000),
        _grpc("gRPC: 200,000 words", bad, _tokens(200_000)),
        _grpc("gRPC: a shape alone", bad, _predict(rows=2**40)),
        _grpc("gRPC: a negative size", bad, _predict(rows=-4)),
        _grpc("gRPC: rows", bad, _predict(33, caption=[b"a"] * 33, seed=range(33))),
        _grpc("gRPC: dimensions", bad, _predict(tensor_shape={"dim": [{}] * large})),
        _grpc("gRPC: many names", bad, _names(80_000)),
        _grpc("gRPC: an output again and again", "OK", again),
        _grpc("gRPC: padding", bad, _predict(3_000_000, float_val=[0.0] * 250_000)),
        _grpc("gRPC: a long caption", bad, _predict(caption=[b"bird " * 200_000])),
        _grpc("gRPC: a message of 5 MB", "RESOURCE_EXHAUSTED", b"\0" * 5_000_000),
        _grpc("gRPC: no message", "INTERNAL", b"\xff" * 1_000_000),
        _grpc("gRPC: no such call", "UNIMPLEMENTED", method=_PREDICTION + "Destroy"),
        _grpc("gRPC: a reload", "PERMISSION_DENIED", method=_RELOAD),
        _grpc("gRPC v2: many inputs", bad, _infer() + b"\x2a\0" * large, _KSERVE),
        _grpc("gRPC v2: many outputs", bad, _infer() + b"\x32\0" * large, _KSERVE),
        _grpc("gRPC v2: raw contents that don't fit", bad, _infer(raw=[b"\xff" * 99]), _KSERVE),
    ]
