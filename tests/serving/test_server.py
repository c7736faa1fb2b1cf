"""The server as strangers meet it: TF Serving's own stubs, plain HTTP, bad requests, reloads."""

import base64
import io
import json
import shutil
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from PIL import Image
from running_server import serve
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from dmgan_tf.inference.text_to_image import TextToImage

CAPTIONS = ["a red bird", "zzz", "blue bird with a long tail and green wings", "the bird"]
SEEDS = [1, 2, 3, -4]


def request(captions=CAPTIONS, seeds=SEEDS, signature="images", model="dmgan", **inputs):
    message = predict_pb2.PredictRequest()
    message.model_spec.name = model
    message.model_spec.signature_name = signature
    inputs = {"caption": captions, "seed": np.array(seeds, np.int64)} | inputs
    for name, value in inputs.items():
        if value is not None:
            message.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return message


@pytest.fixture(scope="module")
def channel(server):
    with grpc.insecure_channel(server.address) as opened:
        yield opened


@pytest.fixture(scope="module")
def predict(channel):
    return prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict


@pytest.fixture(scope="module")
def model_service(channel):
    return model_service_pb2_grpc.ModelServiceStub(channel)


def images(response):
    return tf.make_ndarray(response.outputs["image"]).astype(int)


def post(url, content):
    """(HTTP status, JSON) of a POST."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body), timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_a_strangers_request_gets_the_pictures_of_the_python_interface(predict, tiny_run):
    response = predict(request())
    assert response.model_spec.version.value == 7
    errors = tf.make_ndarray(response.outputs["error"])
    assert [bool(error) for error in errors] == [False, True, False, False]
    artist = TextToImage.from_preset(tiny_run)
    for row in (0, 2, 3):
        expected = artist.generate(CAPTIONS[row], SEEDS[row])[0]
        assert np.abs(images(response)[row] - expected).max() <= 1


def test_captions_asked_for_together_and_at_once_give_what_each_gives_alone(predict):
    together = images(predict(request()))
    with ThreadPoolExecutor(8) as threads:
        rows = [i % len(CAPTIONS) for i in range(16)]
        alone = threads.map(lambda i: images(predict(request([CAPTIONS[i]], [SEEDS[i]]))), rows)
        for row, image in zip(rows, alone, strict=True):
            assert np.abs(image[0] - together[row]).max() <= 1


def test_rest_gives_the_same_pictures_in_rows_and_in_columns(server, predict):
    expected = images(predict(request()))
    rows = [{"caption": c, "seed": s} for c, s in zip(CAPTIONS, SEEDS, strict=True)]
    status, answer = post(f"{server.rest}/dmgan:predict", {"instances": rows})
    assert status == 200
    for row in (0, 2, 3):
        png = base64.b64decode(answer["predictions"][row]["image_bytes"]["b64"])
        found = np.asarray(Image.open(io.BytesIO(png))).astype(int)
        assert np.abs(found - expected[row]).max() <= 1
    assert answer["predictions"][1]["image_bytes"] == {"b64": ""}
    assert answer["predictions"][1]["error"]
    columns = {"signature_name": "images", "inputs": {"caption": CAPTIONS, "seed": SEEDS}}
    status, answer = post(f"{server.rest}/dmgan/versions/7:predict", columns)
    assert status == 200
    assert np.abs(np.array(answer["outputs"]["image"]) - expected).max() <= 1


def test_output_filter_and_default_signature(predict):
    message = request(signature="")
    message.output_filter.append("error")
    assert list(predict(message).outputs) == ["error"]


def spoiled(name):
    """A bad request by name, with the code and the words of its answer."""
    code, huge = grpc.StatusCode, predict_pb2.PredictRequest()
    if name == "huge shape of one value":
        huge.CopyFrom(request())
        huge.inputs["seed"].tensor_shape.dim[0].size = 2**40
        return huge, code.INVALID_ARGUMENT, "more than"
    if name == "unknown version":
        message = request()
        message.model_spec.version.value = 9
        return message, code.NOT_FOUND, r"Specific\(dmgan, 9\)"
    if name == "version label":
        message = request()
        message.model_spec.version_label = "stable"
        return message, code.INVALID_ARGUMENT, "labels are not supported"
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
    "huge shape of one value",
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


def test_unknown_names_and_too_large_bodies_over_rest(server):
    row = {"instances": [{"caption": "a bird", "seed": 1}]}
    assert post(f"{server.rest}/x:predict", row)[0] == 404
    assert post(f"{server.rest}/dmgan/versions/9:predict", row)[0] == 404


def test_status_metadata_health_and_metrics(server, channel, model_service):
    asked = get_model_status_pb2.GetModelStatusRequest()
    asked.model_spec.name = "dmgan"
    (status,) = model_service.GetModelStatus(asked).model_version_status
    assert (status.version, status.state, status.status.error_code) == (7, 30, 0)
    asked.model_spec.version.value = 9
    with pytest.raises(grpc.RpcError) as caught:
        model_service.GetModelStatus(asked)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    metadata = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    metadata.model_spec.name = "dmgan"
    packed = stub.GetModelMetadata(metadata).metadata["signature_def"]
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert packed.Unpack(signatures)
    assert "serving_default" in signatures.signature_def
    health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    assert health.status == health_pb2.HealthCheckResponse.SERVING
    with urllib.request.urlopen(f"{server.rest}/dmgan") as answer:
        assert json.load(answer)["model_version_status"][0]["state"] == "AVAILABLE"
    with urllib.request.urlopen(f"{server.rest}/dmgan/metadata") as answer:
        assert "images" in json.load(answer)["metadata"]["signature_def"]["signature_def"]
    with urllib.request.urlopen(server.rest.replace("/v1/models", "/metrics")) as answer:
        assert 'serving_model_version{model="dmgan"} 7.0' in answer.read().decode()


class Load:
    """Threads that ask without pause until told to stop; what failed, and which versions spoke."""

    def __init__(self, address, threads=4):
        self.errors, self.versions, self.answered = [], [], 0
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._ask, args=(address,), daemon=True) for _ in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def _ask(self, address):
        with grpc.insecure_channel(address) as channel:
            predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
            while not self._stop.is_set():
                try:
                    response = predict(request(["a red bird"], [1]), timeout=30)
                except grpc.RpcError as error:
                    with self._lock:
                        self.errors.append(error.code())
                    return
                with self._lock:
                    self.versions.append(response.model_spec.version.value)

    def wait_for(self, condition, seconds=60):
        for _ in range(seconds * 20):
            if condition(self):
                return
            self._stop.wait(0.05)
        raise TimeoutError

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.slow
def test_a_newer_version_takes_over_under_load_without_a_failed_request(exported, tmp_path):
    folder = tmp_path / "dmgan"
    shutil.copytree(exported / "7", folder / "7")
    with serve(folder, tmp_path / "log.txt") as server:
        load = Load(server.address)
        load.wait_for(lambda load: len(load.versions) > 20)
        shutil.copytree(exported / "7", folder / "partial")
        (folder / "partial").rename(folder / "8")
        load.wait_for(lambda load: load.versions[-1] == 8)
        (folder / "9").mkdir()  # a version that can't be loaded changes nothing
        seen = len(load.versions)
        load.wait_for(lambda load: "version 9 can't be served" in server.log.read_text())
        load.wait_for(lambda load: len(load.versions) > seen + 20)
        load.stop()
        assert not load.errors
        assert set(load.versions) == {7, 8}
        assert load.versions[-1] == 8


@pytest.mark.slow
def test_sigterm_under_load_answers_what_was_accepted(exported, tmp_path):
    with serve(exported, tmp_path / "log.txt") as server:
        load = Load(server.address)
        load.wait_for(lambda load: len(load.versions) > 20)
        assert server.stop() == 0
        load.wait_for(lambda load: len(load.errors) == 4)
        load.stop()
        # Each thread ended by a request that no handler had begun; all others have their answer.
        assert set(load.errors) <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
        assert f"{len(load.versions)} requests were answered" in server.log.read_text()


@pytest.mark.slow
def test_a_full_queue_refuses_and_recovers(exported, tmp_path):
    options = ("--max-queued-rows", 4, "--max-batch-size", 4, "--batch-timeout-ms", 1000)
    with (
        serve(exported, tmp_path / "log.txt", *options) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
        waiting = [predict.future(request(["a bird"], [i])) for i in range(40)]
        codes = [answer.code() for answer in waiting]
        assert set(codes) == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert len(images(predict(request(["a bird"], [1])))) == 1


@pytest.mark.slow
def test_models_are_replaced_by_a_reload_request(exported, tmp_path):
    with (
        serve(exported, tmp_path / "log.txt", "--no-batching") as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        service = model_service_pb2_grpc.ModelServiceStub(channel)
        predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
        change = model_management_pb2.ReloadConfigRequest()
        change.config.model_config_list.config.add(name="bird", base_path=str(exported))
        service.HandleReloadConfigRequest(change)
        assert len(images(predict(request(model="bird")))) == len(CAPTIONS)
        with pytest.raises(grpc.RpcError) as caught:
            predict(request())
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND
        change.config.model_config_list.config[0].base_path = str(tmp_path / "nowhere")
        with pytest.raises(grpc.RpcError, match="No such folder"):
            service.HandleReloadConfigRequest(change)
        assert len(images(predict(request(model="bird")))) == len(CAPTIONS)


def test_a_taken_port_is_a_one_line_error(exported, server):
    from command_lines import run_script

    port = server.address.rpartition(":")[2]
    process = run_script(
        "serving/server.py", "--model", f"dmgan={exported}", "--port", port, "--rest-port", 0
    )
    assert process.returncode == 2
    assert process.stderr.splitlines()[-1].startswith("error: 127.0.0.1:")


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
