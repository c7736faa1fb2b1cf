"""The server as strangers meet it: TF Serving's own stubs, plain HTTP."""

import base64
import io
import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import grpc
import numpy as np
import pytest
import tensorflow as tf
from command_lines import run
from grpc_health.v1 import health_pb2, health_pb2_grpc
from PIL import Image
from requests_and_answers import CAPTIONS, SEEDS, images, post, request
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    prediction_service_pb2_grpc,
)

from dmgan_tf.inference.text_to_image import TextToImage


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
    with urllib.request.urlopen(f"{server.root}/metrics") as answer:
        assert 'serving_model_version{model="dmgan"} 7.0' in answer.read().decode()


@pytest.mark.parametrize("option", ["--port", "--rest-port"])
def test_a_taken_port_is_a_one_line_error_before_models_are_loaded(exported, server, option):
    port = server.address.rpartition(":")[2]
    ports = {"--port": 0, "--rest-port": 0, option: port}
    process = run("serving.server", "--model", f"dmgan={exported}", *chain(*ports.items()))
    assert process.returncode == 2
    (line,) = process.stderr.splitlines()
    assert line.startswith(f"error: 127.0.0.1:{port} can't be listened on: ")


@pytest.mark.slow
def test_the_demo_exports_serves_asks_and_stops(tiny_run, tmp_path):

    options = "--model", tiny_run, "--caption", CAPTIONS[0], "--seed", SEEDS[0]
    process = run("serving.demo", *options, "--out", tmp_path / "served.png")
    assert process.returncode == 0, process.stderr
    with Image.open(tmp_path / "served.png") as image:
        expected = TextToImage.from_preset(tiny_run).generate(CAPTIONS[0], SEEDS[0])[0]
        assert np.abs(np.asarray(image, int) - expected).max() <= 1
    process = run("serving.demo", "--model", tmp_path, "--out", tmp_path / "a.png")
    assert process.returncode == 2
    assert "holds no model" in process.stderr
