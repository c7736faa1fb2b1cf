"""One caption and one seed are one picture, in any batch: of Keras, a SavedModel, ONNX, the server.

The server is asked by TensorFlow Serving's stubs, and by strangers: curl, ovmsclient, tritonclient.
"""

import base64
import io
import json
import shutil
import subprocess
import sys
from urllib.parse import urlsplit

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from command_lines import environment, succeed
from PIL import Image
from requests_and_answers import images, post, request

from dmgan_tf.edge import EdgeModel

pytestmark = pytest.mark.slow

CAPTIONS = [
    "a red bird",
    "a small bird with a blue crown, brown wings and a yellow belly sits in the snow",
    "a bird",
    "this bird has blue wings",
] * 2
SEEDS = [1, 2, 3, -4, 5, 2**40, 7, 8]
# Loads a SavedModel where nothing of this project is imported, and writes what it draws.
PROGRAM = """
import sys
import numpy as np, tensorflow as tf
captions, seeds = np.load(sys.argv[2]).values()
draw = tf.saved_model.load(sys.argv[1]).signatures["images"]
image = draw(caption=tf.constant(captions.tolist()), seed=tf.constant(seeds))["image"]
assert not any(name.startswith("dmgan_tf") for name in sys.modules)
np.save(sys.argv[3], image.numpy())
"""
# Asks with ovmsclient, whose messages have the names of TensorFlow's; over HTTP it leaves base64.
STRANGER = """
import base64, sys
import numpy as np, ovmsclient
captions, seeds = np.load(sys.argv[3]).values()
client = getattr(ovmsclient, sys.argv[1])(sys.argv[2])
inputs = {"caption": [caption.encode() for caption in captions], "seed": seeds}
pictures = client.predict(inputs, "dmgan")["image_bytes"]
pngs = [base64.b64decode(p["b64"]) if isinstance(p, dict) else p for p in pictures]
np.save(sys.argv[4], np.array([np.void(png) for png in pngs], object), allow_pickle=True)
"""


def opened(pngs):
    return np.stack([np.asarray(Image.open(io.BytesIO(png))) for png in pngs])


@pytest.fixture(scope="module")
def expected(tiny_run, tmp_path_factory):
    """What `generate` writes of the first two."""
    folder = tmp_path_factory.mktemp("keras")
    found = []
    for i in (0, 1):
        path = folder / f"{i}.png"
        options = "--caption", CAPTIONS[i], "--seed", SEEDS[i], "--out", path
        succeed("generate", "--model", tiny_run, *options)
        with Image.open(path) as image:
            found.append(np.asarray(image, int))
    return found


@pytest.fixture(scope="module")
def ways(tiny_run, exported, onnx_folder, server, predict, tmp_path_factory):
    """Each way to draw: a function of captions and seeds."""
    from dmgan_tf.inference.text_to_image import TextToImage

    folder = tmp_path_factory.mktemp("saved_model")

    def process(program, *arguments):
        """What a program of its own process answers; its last arguments are two files."""

        def draw(captions, seeds):
            np.savez(folder / "in.npz", captions=captions, seeds=np.array(seeds, np.int64))
            files = [folder / "in.npz", folder / "out.npy"]
            command = [sys.executable, "-c", program, *map(str, arguments), *map(str, files)]
            subprocess.run(command, cwd=folder, env=environment(), check=True, capture_output=True)
            found = np.load(folder / "out.npy", allow_pickle=True)
            return found if found.dtype != object else opened(map(bytes, found))

        return draw

    def rows(captions, seeds):
        pairs = zip(captions, seeds, strict=True)
        return {"instances": [{"caption": caption, "seed": seed} for caption, seed in pairs]}

    def pictures(answer):
        encoded = [row["image_bytes"]["b64"] for row in answer["predictions"]]
        return opened(map(base64.b64decode, encoded))

    def curl(captions, seeds):
        command = (
            "curl",
            "--silent",
            "--fail",
            "--data",
            json.dumps(rows(captions, seeds)),
            predict_url,
        )
        return pictures(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))

    def triton(kind, address):
        def draw(captions, seeds):
            given = [kind.InferInput("caption", [len(captions)], "BYTES")]
            given[0].set_data_from_numpy(np.array([c.encode() for c in captions], object))
            given.append(kind.InferInput("seed", [len(seeds)], "INT64"))
            given[1].set_data_from_numpy(np.array(seeds))
            with kind.InferenceServerClient(address) as client:
                return opened(client.infer("dmgan", given).as_numpy("image_bytes"))

        return draw

    predict_url, rest_address = f"{server.rest}/dmgan:predict", urlsplit(server.root).netloc
    return {
        "keras": TextToImage.from_preset(tiny_run).generate,
        "saved_model": process(PROGRAM, exported / "7"),
        "grpc": lambda captions, seeds: images(predict(request(captions, seeds))),
        "rest": lambda captions, seeds: pictures(post(predict_url, rows(captions, seeds))[1]),
        "curl": curl,
        "ovmsclient_grpc": process(STRANGER, "make_grpc_client", server.address),
        "ovmsclient_http": process(STRANGER, "make_http_client", rest_address),
        "tritonclient_grpc": triton(triton_grpc, server.address),
        "tritonclient_http": triton(triton_http, rest_address),
        "onnx": EdgeModel(onnx_folder).generate,
        "ort": EdgeModel(onnx_folder, ort=True).generate,
    }


STRANGERS = "curl", "ovmsclient_grpc", "ovmsclient_http", "tritonclient_grpc", "tritonclient_http"


@pytest.mark.parametrize("way", ["keras", "saved_model", "grpc", "rest", "onnx", "ort", *STRANGERS])
def test_picture_is_the_same_everywhere_and_in_every_batch(ways, expected, way):
    if way == "curl" and not shutil.which("curl"):
        pytest.skip("curl is not installed")
    whole = ways["keras"](CAPTIONS, SEEDS).astype(int)
    for count in (1, 3, 8):
        drawn = np.asarray(ways[way](CAPTIONS[:count], SEEDS[:count]), int)
        assert np.abs(drawn - whole[:count]).max() <= 1
    for picture, wanted in zip(whole, expected, strict=False):
        assert np.abs(picture - wanted).max() <= 1
