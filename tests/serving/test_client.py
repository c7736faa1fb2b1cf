"""The client without TensorFlow: its messages, its answers, its complaints."""

import io
import json
import socket
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from command_lines import run
from PIL import Image
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
)

from dmgan_tf.inference.text_to_image import TextToImage
from dmgan_tf.serving import wire

CAPTION = "a red bird with white wings"


def client(server, *arguments):
    return run("serving.client", "--address", server.address, *arguments)


def test_a_picture_over_grpc_is_the_one_of_the_python_interface(server, tiny_run, tmp_path):
    out = tmp_path / "bird.png"
    process = client(server, "--caption", CAPTION, "--seed", 5, "--count", 2, "--out", out)
    assert process.returncode == 0, process.stderr
    expected = TextToImage.from_preset(tiny_run).generate([CAPTION] * 2, [5, 6])
    for i in (1, 2):
        found = np.asarray(Image.open(tmp_path / f"bird_{i}.png")).astype(int)
        assert np.abs(found - expected[i - 1]).max() <= 1
    assert process.stderr == ""


def test_several_captions_are_numbered_in_the_order_of_generates_grid(server, tiny_run, tmp_path):
    captions = ["a zeppelin of a red bird, über alles", "blue bird"]
    options = "--caption", *captions, "--seed", 3, "--count", 2, "--out", tmp_path / "a.png"
    process = client(server, *options)
    labels = [f"{caption} (seed {seed})" for caption in captions for seed in (3, 4)]
    paths = [tmp_path / f"a_{i}.png" for i in (1, 2, 3, 4)]
    lines = [f"Picture: {path}  {label}" for path, label in zip(paths, labels, strict=True)]
    assert process.stdout.splitlines() == lines
    expected = TextToImage.from_preset(tiny_run).generate(sorted(captions * 2), [3, 4] * 2)
    for path, wanted in zip(paths, expected, strict=True):
        assert np.abs(np.asarray(Image.open(path)).astype(int) - wanted).max() <= 1
    assert process.stderr == (
        f"WARNING: Left out of {captions[0]!r}, not known to this model: "
        "['zeppelin', 'ber', 'alles']\n"
    )


def test_a_caption_of_no_known_word_is_a_one_line_error(server, tmp_path):
    process = client(server, "--caption", "zzz", "--out", tmp_path / "bird.png")
    assert process.returncode == 2
    assert process.stderr == (
        "error: 'zzz': The caption can't be drawn: it is empty, or this model knows none of its "
        "words.\n"
    )
    assert not list(tmp_path.iterdir())


def test_status_and_metadata_are_told(server):
    assert json.loads(client(server, "--status").stdout) == {"7": "AVAILABLE"}
    metadata = json.loads(client(server, "--metadata").stdout)
    assert metadata["serving_default"]["inputs"] == {"caption": "string[?]", "seed": "int64[?]"}
    assert metadata["images"]["outputs"]["image"].startswith("uint8[?, ")


def test_an_unknown_model_and_an_absent_server_are_one_line_errors(server):
    process = client(server, "--model", "nobody", "--caption", CAPTION)
    assert process.returncode == 2
    assert "NOT_FOUND: Servable not found for request: Latest(nobody)" in process.stderr
    process = run("serving.client", "--address", "127.0.0.1:1", "--status", "--attempts", 1)
    assert process.returncode == 2
    assert process.stderr.startswith("error: 127.0.0.1:1: no server can be reached (Connection re")
    assert "Start one with `dmgan serve`, or give the --address of one;" in process.stderr
    assert len(process.stderr.splitlines()) == 1


def test_a_server_that_does_not_answer_is_named_with_what_to_do():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        process = run("serving.client", "--address", address, "--status", "--timeout", 1)
    assert process.returncode == 2
    assert process.stderr == (
        f"error: {address}: no answer within 1 s. Look whether a server runs there, or give a "
        "longer --timeout.\n"
    )


def test_the_client_starts_without_tensorflow():
    code = "import sys; import dmgan_tf.serving.client; print(*sys.modules)"
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    modules = process.stdout.split()
    assert "grpc" in modules
    assert not {"tensorflow", "numpy"} & set(modules)


def requests():
    ours, theirs = wire.PredictRequest(), predict_pb2.PredictRequest()
    for request in (ours, theirs):
        request.model_spec.name = "dmgan"
        request.model_spec.version.value = 3
        request.model_spec.signature_name = "images"
        request.output_filter.append("image")
        caption, seed = request.inputs["caption"], request.inputs["seed"]
        caption.dtype, seed.dtype = 7, 9
        caption.tensor_shape.dim.add(size=2)
        seed.tensor_shape.dim.add(size=2)
        caption.string_val.extend([b"a", b"b"])
        seed.int64_val.extend([1, -2])
    return ours, theirs


def responses():
    ours, theirs = wire.PredictResponse(), predict_pb2.PredictResponse()
    for response in (ours, theirs):
        response.model_spec.version_label = "stable"
    for name, value in {"x": np.arange(6, dtype=np.float32).reshape(2, 3), "y": [True]}.items():
        proto = tf.make_tensor_proto(value)
        theirs.outputs[name].CopyFrom(proto)
        ours.outputs[name].ParseFromString(proto.SerializeToString())
    return ours, theirs


def statuses():
    ours, theirs = wire.GetModelStatusResponse(), get_model_status_pb2.GetModelStatusResponse()
    for response in (ours, theirs):
        status = response.model_version_status.add(version=4, state=30)
        status.status.error_code = 5
        status.status.error_message = "gone"
    return ours, theirs


def metadata_requests():
    ours = wire.GetModelMetadataRequest()
    theirs = get_model_metadata_pb2.GetModelMetadataRequest()
    for request in (ours, theirs):
        request.model_spec.name = "m"
        request.metadata_field.append("signature_def")
    return ours, theirs


@pytest.mark.parametrize("pair", [requests, responses, statuses, metadata_requests])
def test_messages_are_those_of_tensorflow_serving_byte_for_byte(pair):
    ours, theirs = pair()
    content = ours.SerializeToString(deterministic=True)
    assert content == theirs.SerializeToString(deterministic=True)
    assert type(ours).FromString(content) == ours
    assert type(theirs).FromString(content) == theirs


def test_signatures_are_read_from_tensorflow_servings_bytes():
    theirs = get_model_metadata_pb2.SignatureDefMap()
    info = theirs.signature_def["images"].inputs["seed"]
    info.name, info.dtype = "seed:0", 9
    info.tensor_shape.dim.add(size=-1)
    ours = wire.SignatureDefMap.FromString(theirs.SerializeToString())
    assert ours.signature_def["images"].inputs["seed"].tensor_shape.dim[0].size == -1
    assert ours.SerializeToString() == theirs.SerializeToString()


@pytest.mark.parametrize("given", [{"certificate": (b"", b"")}, {"token": "a"}])
def test_what_needs_tls_is_not_sent_without_it(given):
    from dmgan_tf.serving.client import Client

    (name,) = given
    with pytest.raises(ValueError, match=rf"^`{name}` needs TLS, and so `root_certificates`\."):
        Client("127.0.0.1:1", **given)


def test_the_command_line_sends_a_token_without_tls_only_when_told_to(tmp_path):
    (tmp_path / "token").write_text("token\n")
    command = "serving.client", "--address", "127.0.0.1:1", "--status", "--attempts", 1
    process = run(*command, "--token-file", tmp_path / "token")
    assert process.returncode == 2
    assert "--token-file needs --root-certificates, or --plaintext-token." in process.stderr


def test_png_bytes_come_back_in_the_order_of_the_captions(server, tiny_run):
    from dmgan_tf.serving.client import CaptionError, Client

    captions, seeds = [CAPTION, "blue bird", "a bird"], [1, 2, 3]
    with Client(server.address) as connection:
        pictures = connection.generate(captions, seeds)
        with pytest.raises(CaptionError, match="'zzz'"):
            connection.generate([CAPTION, "zzz"], [0, 0])
    artist = TextToImage.from_preset(tiny_run)
    for caption, seed, png in zip(captions, seeds, pictures, strict=True):
        found = np.asarray(Image.open(io.BytesIO(png))).astype(int)
        assert np.abs(found - artist.generate(caption, seed)[0]).max() <= 1
