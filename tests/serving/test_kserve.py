"""KServe's Open Inference Protocol, asked by Triton's clients and by hand."""

import io
import json
from urllib.parse import urlsplit

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton
from PIL import Image
from requests_and_answers import CAPTIONS, SEEDS, ask, images, post, request
from running_server import serve
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

INPUTS = {"caption": np.array([c.encode() for c in CAPTIONS], object), "seed": np.array(SEEDS)}


@pytest.fixture
def client(server):
    with triton.InferenceServerClient(urlsplit(server.root).netloc) as opened:
        yield opened


@pytest.fixture
def grpc_client(server):
    with triton_grpc.InferenceServerClient(server.address) as opened:
        yield opened


def given(*options, kind=triton, **arrays):
    """Inputs of a client; options of HTTP's: whether the data are binary."""
    found = []
    for name, array in arrays.items():
        datatype = "BYTES" if array.dtype == object else "INT64"
        found.append(kind.InferInput(name, list(array.shape), datatype))
        found[-1].set_data_from_numpy(array, *options)
    return found


def test_tritons_client_is_told_what_there_is(client):
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("dmgan") and client.is_model_ready("dmgan", "7")
    assert not client.is_model_ready("dmgan", "9") and not client.is_model_ready("nobody")
    assert client.get_server_metadata()["name"] == "dmgan_tf"
    metadata = client.get_model_metadata("dmgan")
    assert metadata["versions"] == ["7"]
    assert metadata["inputs"] == [
        {"name": "caption", "datatype": "BYTES", "shape": [-1]},
        {"name": "seed", "datatype": "INT64", "shape": [-1]},
    ]


def check_pictures(answer, expected):
    assert [bool(error) for error in answer.as_numpy("error")] == [False, True, False, False]
    pictures = answer.as_numpy("image_bytes")
    for row in (0, 2, 3):
        picture = np.asarray(Image.open(io.BytesIO(pictures[row])), int)
        assert np.abs(picture - expected[row]).max() <= 1


def test_tritons_client_gets_the_pictures_that_others_get(client, predict):
    answer = client.infer("dmgan", given(**INPUTS), request_id="a", model_version="7")
    assert (answer.get_response()["id"], answer.get_response()["model_version"]) == ("a", "7")
    check_pictures(answer, images(predict(request())))


def test_and_by_json_alone_from_another_signature(client, predict):
    answer = client.infer(
        "dmgan",
        given(False, **INPUTS),
        outputs=[triton.InferRequestedOutput("image", binary_data=False)],
        parameters={"signature_name": "images"},
    )
    expected = images(predict(request()))
    assert np.abs(answer.as_numpy("image").astype(int) - expected).max() <= 1
    assert answer.as_numpy("error") is None


def wrong_inputs():
    captions = INPUTS["caption"]
    many = {"caption": np.array([b"a"] * 33, object), "seed": np.zeros(33, int)}
    return [
        ({"caption": captions}, r"Missing but required: \['seed'\]"),
        (INPUTS | {"seed": captions}, r"'seed' to be INT64\. Received: BYTES"),
        (many, "Task size 33"),
    ]


@pytest.mark.parametrize(("arrays", "words"), wrong_inputs())
def test_tritons_clients_are_told_what_is_wrong(client, grpc_client, arrays, words):
    with pytest.raises(InferenceServerException, match=words):
        client.infer("dmgan", given(**arrays))
    with pytest.raises(InferenceServerException, match=words):
        grpc_client.infer("dmgan", given(kind=triton_grpc, **arrays))


def test_an_unknown_output_is_told(client, grpc_client):
    for asking, kind in ((client, triton), (grpc_client, triton_grpc)):
        smell = [kind.InferRequestedOutput("smell")]
        with pytest.raises(InferenceServerException, match="alias not found in signature: smell"):
            asking.infer("dmgan", given(kind=kind, **INPUTS), outputs=smell)


def test_tritons_grpc_client_is_told_what_there_is(grpc_client):
    assert grpc_client.is_server_live() and grpc_client.is_server_ready()
    assert grpc_client.is_model_ready("dmgan") and grpc_client.is_model_ready("dmgan", "7")
    assert not grpc_client.is_model_ready("dmgan", "9")
    assert not grpc_client.is_model_ready("nobody")
    assert grpc_client.get_server_metadata().name == "dmgan_tf"
    metadata = grpc_client.get_model_metadata("dmgan")
    assert list(metadata.versions) == ["7"]
    assert [(i.name, i.datatype, list(i.shape)) for i in metadata.inputs] == [
        ("caption", "BYTES", [-1]),
        ("seed", "INT64", [-1]),
    ]


def test_tritons_grpc_client_gets_the_pictures_that_others_get(grpc_client, predict):
    inputs = given(kind=triton_grpc, **INPUTS)
    answer = grpc_client.infer("dmgan", inputs, request_id="a", model_version="7")
    assert (answer.get_response().id, answer.get_response().model_version) == ("a", "7")
    check_pictures(answer, images(predict(request())))


def infer_request(**fields):
    """A request by hand, whose values stand in `contents`."""
    message = service_pb2.ModelInferRequest(model_name="dmgan", **fields)
    caption = message.inputs.add(name="caption", datatype="BYTES", shape=[1])
    caption.contents.bytes_contents.append(b"a red bird")
    seed = message.inputs.add(name="seed", datatype="INT64", shape=[1])
    seed.contents.int64_contents.append(1)
    return message


def test_contents_that_are_not_raw_are_read_as_well(channel, predict):
    infer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer
    message = infer_request(outputs=[{"name": "image"}])
    message.parameters["signature_name"].string_param = "images"
    answer = infer(message)
    expected = images(predict(request(["a red bird"], [1])))
    found = np.frombuffer(answer.raw_output_contents[0], np.uint8).reshape(expected.shape)
    assert np.abs(found.astype(int) - expected).max() <= 1
    for spoil, words in (
        (lambda m: m.inputs[0].shape.append(2**40), "must have the shape"),
        (lambda m: m.inputs[0].shape.extend([1] * 32), "33 dimensions; at most 32"),
        (lambda m: m.inputs.extend([m.inputs[0]] * 1000), "1002!=2"),
        (lambda m: [m.outputs.add() for _ in range(1001)], "1001 outputs; at most 1000"),
        (lambda m: m.inputs[0].ClearField("contents"), "has 0 values"),
        (lambda m: m.inputs[1].shape.__setitem__(0, -1), "shape is not known"),
        (lambda m: m.raw_input_contents.append(b"x"), "as many raw contents"),
        (lambda m: m.raw_input_contents.extend([b"\xff" * 8, b"12345678"]), "not the 1 strings"),
        (lambda m: m.raw_input_contents.extend([b"\1\0\0\0a", b"123"]), "its shape wants 8"),
    ):
        bad = infer_request()
        spoil(bad)
        with pytest.raises(grpc.RpcError, match=words) as caught:
            infer(bad)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


SEED = {"name": "seed", "datatype": "INT64", "shape": [1], "data": [1]}
CAPTION = {"name": "caption", "datatype": "BYTES", "shape": [1], "data": ["a red bird"]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "must be an object"),
        ({}, "'inputs' must be a list"),
        ({"inputs": [1]}, "'shape' must be a list"),
        ({"inputs": [CAPTION | {"shape": [True]}, SEED]}, "list of integers"),
        ({"inputs": [CAPTION | {"shape": [-1]}, SEED]}, "shape is not known"),
        ({"inputs": [CAPTION | {"shape": [2**70]}, SEED]}, "Task size"),
        ({"inputs": [CAPTION | {"shape": [1, 2**70]}, SEED]}, "must have the shape"),
        ({"inputs": [CAPTION | {"shape": [2]}, SEED]}, "its shape is [2]"),
        ({"inputs": [CAPTION | {"data": [1]}, SEED]}, "strings are wanted"),
        ({"inputs": [CAPTION | {"data": "a"}, SEED]}, "'data' must be a list"),
        ({"inputs": [CAPTION, SEED | {"data": [1.5]}]}, "int64 is wanted"),
        ({"inputs": [CAPTION, SEED | {"name": 7}]}, "'name' must be a str"),
        ({"inputs": [CAPTION, SEED], "outputs": [{}]}, "'name' must be a str"),
        ({"inputs": [CAPTION, SEED], "parameters": []}, "'parameters' must be a dict"),
        ({"inputs": [CAPTION, SEED], "parameters": {"signature_name": "x"}}, '"x" not found'),
        ({"inputs": [CAPTION, {**SEED, "parameters": {"binary_data_size": 8}}]}, "want 8"),
    ],
)
def test_a_bad_body_is_told_what_is_wrong(server, content, words):
    status, answer = post(f"{server.root}/v2/models/dmgan/infer", content)
    assert (status, list(answer)) == (400, ["error"])
    assert words in answer["error"]


@pytest.mark.parametrize("head_size", ["-1", "x", "9" * 5000, "10000"])
def test_a_size_of_the_head_that_cannot_be_is_told(server, head_size):
    headers = {"Inference-Header-Content-Length": head_size}
    status, _, body = ask(f"{server.root}/v2/models/dmgan/infer", b"{}", headers=headers)
    assert status == 400 and "a size within the body" in json.loads(body)["error"]


def test_pictures_within_json_are_base64(server):
    content = {"inputs": [CAPTION, SEED]}
    status, answer = post(f"{server.root}/v2/models/dmgan/infer", content)
    assert status == 200
    (png,) = next(o["data"] for o in answer["outputs"] if o["name"] == "image_bytes")
    assert png.startswith("iVBORw0KGgo")  # a PNG's first bytes


def test_a_server_without_a_model_is_live_and_not_ready(tmp_path):
    (tmp_path / "empty").mkdir()
    with serve(tmp_path / "empty", tmp_path / "log.txt") as server:
        assert ask(f"{server.root}/v2/health/live")[0] == 200
        assert ask(f"{server.root}/v2/health/ready")[0] == 503
        assert ask(f"{server.root}/v2/models/dmgan/ready")[0] == 404
