"""What the server says to requests that it can't answer, and that it lives on."""

import urllib.request

import grpc
import numpy as np
import pytest
import tensorflow as tf
from requests_and_answers import CAPTIONS, SEEDS, images, post, request
from running_server import resident_mib, serve
from tensorflow_serving.apis import (
    predict_pb2,
    prediction_service_pb2_grpc,
)


def spoiled(name):
    """A bad request by name, with the code and the words of its answer."""
    code, huge = grpc.StatusCode, predict_pb2.PredictRequest()
    if name.startswith("shape of"):
        huge.CopyFrom(request())
        huge.inputs["seed"].tensor_shape.dim[0].size = int(name.split()[2])
        return huge, code.INVALID_ARGUMENT, "is larger than maximum input batch size 32"
    if name == "unknown version":
        message = request()
        message.model_spec.version.value = 9
        return message, code.NOT_FOUND, r"Specific\(dmgan, 9\)"
    if name == "version label":
        message = request()
        message.model_spec.version_label = "stable"
        return message, code.INVALID_ARGUMENT, "Unrecognized servable version label: stable"
    if name == "unknown output":
        message = request()
        message.output_filter.append("smell")
        return message, code.INVALID_ARGUMENT, "output tensor alias not found in signature: smell"
    if name == "invalid tensor type":
        message = request()
        message.inputs["seed"].dtype = 99
        return message, code.INVALID_ARGUMENT, "'seed' is no tensor"
    if name == "negative size":
        message = request()
        message.inputs["seed"].tensor_shape.dim[0].size = -4
        return message, code.INVALID_ARGUMENT, "shape is not known"
    if name == "far too many words":
        noise = np.zeros((1, 4), np.float32)
        message = request(None, [], "tokens", seed=None, noise=noise, condition_noise=noise)
        ids = np.ones((1, 200_000), np.int32)
        message.inputs["ids"].CopyFrom(tf.make_tensor_proto(ids))
        message.inputs["lengths"].CopyFrom(tf.make_tensor_proto(ids[:, 0]))
        return message, code.INVALID_ARGUMENT, "200000 values in a row; at most 1024"
    return {
        "no model": (request(model=""), code.INVALID_ARGUMENT, "Missing ModelSpec"),
        "unknown model": (request(model="x"), code.NOT_FOUND, r"Latest\(x\)"),
        "unknown signature": (request(signature="x"), code.FAILED_PRECONDITION, '"x" not found'),
        "missing input": (request(seeds=SEEDS, seed=None), code.INVALID_ARGUMENT, "seed"),
        "extra input": (request(hat=[1]), code.INVALID_ARGUMENT, "Sent extra: .'hat'."),
        "wrong type": (
            request(seed=np.ones(4, np.float32)),
            code.INVALID_ARGUMENT,
            "'seed' to be int64 but float32 is provided",
        ),
        "wrong rank": (request(seed=np.int64(1)), code.INVALID_ARGUMENT, r"shape \[\?\]"),
        "unequal rows": (request(seeds=[1]), code.INVALID_ARGUMENT, "equal 0th-dimension"),
        "no rows": (
            request(caption=np.array([], object), seeds=[]),
            code.INVALID_ARGUMENT,
            "no rows",
        ),
        "too many rows": (
            request(["a bird"] * 33, [0] * 33),
            code.INVALID_ARGUMENT,
            "Task size 33 is larger than maximum input batch size 32",
        ),
        "too long a caption": (
            request(["bird " * 500], [0]),
            code.INVALID_ARGUMENT,
            "string of 2500 bytes",
        ),
    }[name]


BAD = (
    "shape of 1099511627776 values and four sent",
    "shape of 5000 values and four sent",
    "unknown version",
    "version label",
    "unknown output",
    "invalid tensor type",
    "negative size",
    "no model",
    "unknown model",
    "unknown signature",
    "missing input",
    "extra input",
    "wrong type",
    "wrong rank",
    "unequal rows",
    "no rows",
    "too many rows",
    "too long a caption",
    "far too many words",
)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_request_gets_its_code_and_the_server_lives_on(predict, name):
    message, code, words = spoiled(name)
    with pytest.raises(grpc.RpcError, match=words) as caught:
        predict(message)
    assert caught.value.code() == code
    assert len(images(predict(request()))) == len(CAPTIONS)


def test_bytes_that_are_no_utf_8_are_read_past(predict):
    good = images(predict(request(["a red bird"], [1])))
    bad = images(predict(request([b"\xff\xfea red bird\xc3"], [1])))
    assert np.abs(good - bad).max() <= 1


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 400, "JSON Parse error"),
        (b"[]", 400, "must be an object"),
        (b"[" * 100_000, 400, "JSON Parse error"),
        ({"instances": []}, 400, "not empty"),
        ({"instances": [{"caption": "a"}]}, 400, "seed"),
        ({"instances": [{"caption": "a", "seed": 1}, {"caption": "a"}]}, 400, "same inputs"),
        ({"instances": ["a"]}, 400, "name them in every instance"),
        ({"instances": [{"caption": "a", "seed": "1"}]}, 400, "'seed'"),
        ({"instances": [{"caption": "a", "seed": 1.5}]}, 400, "int64 is wanted"),
        ({"instances": [{"caption": "a", "seed": 2**70}]}, 400, "'seed'"),
        ({"instances": [{"caption": 7, "seed": 1}]}, 400, "strings are wanted"),
        ({"instances": [{"caption": {"b64": "!"}, "seed": 1}]}, 400, "'caption'"),
        ({"instances": [{"caption": "\ud800", "seed": 1}]}, 400, "'caption'"),
        ({"instances": [{"caption": ["a", "b"], "seed": 1}]}, 400, "must have the shape"),
        ({"signature_name": "x", "instances": [{}]}, 400, '"x" not found'),
    ],
)
def test_a_bad_rest_request_is_told_what_is_wrong(server, body, status, words):
    found, answer = post(f"{server.rest}/dmgan:predict", body)
    assert (found, list(answer)) == (status, ["error"])
    assert words in answer["error"]


def test_unknown_names_over_rest(server):
    row = {"instances": [{"caption": "a bird", "seed": 1}]}
    assert post(f"{server.rest}/x:predict", row)[0] == 404
    assert post(f"{server.rest}/dmgan/versions/9:predict", row)[0] == 404


@pytest.mark.slow
def test_a_message_beyond_the_limit_is_refused(exported, tmp_path):
    options = ("--max-message-mib", 1, "--max-string-bytes", 10**8)
    with (
        serve(exported, tmp_path / "log.txt", *options) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
        with pytest.raises(grpc.RpcError) as caught:
            predict(request(["bird " * 300_000], [1]))
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        row = {"instances": [{"caption": "bird " * 300_000, "seed": 1}]}
        assert post(f"{server.rest}/dmgan:predict", row)[0] == 413
        assert len(images(predict(request()))) == len(CAPTIONS)


@pytest.mark.slow
def test_a_thousand_bad_requests_leave_no_trace(exported, tmp_path):
    with (
        serve(exported, tmp_path / "log.txt") as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
        huge = request(["bird " * 150_000], [1]), grpc.StatusCode.INVALID_ARGUMENT, ""
        requests = [*map(spoiled, BAD), huge]
        used = []
        for round_ in range(60):
            for message, code, _ in requests:
                with pytest.raises(grpc.RpcError) as caught:
                    predict(message)
                assert caught.value.code() == code
            assert len(images(predict(request()))) == len(CAPTIONS)
            if round_ % 20 == 19:
                used.append(resident_mib(server.process))
        with urllib.request.urlopen(f"{server.root}/metrics") as answer:
            assert 'model="x"' not in answer.read().decode()  # a stranger's name is no label
        # The first third warms allocators and threads up.
        assert used[2] - used[1] < 16
