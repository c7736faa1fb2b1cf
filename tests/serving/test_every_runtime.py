"""One caption and one seed are one picture: Keras, SavedModel, gRPC, REST, ONNX; in any batch."""

import base64
import io
import subprocess
import sys

import numpy as np
import pytest
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

    def saved_model(captions, seeds):
        np.savez(folder / "in.npz", captions=captions, seeds=np.array(seeds, np.int64))
        files = [exported / "7", folder / "in.npz", folder / "out.npy"]
        command = [sys.executable, "-c", PROGRAM, *map(str, files)]
        subprocess.run(command, cwd=folder, env=environment(), check=True, capture_output=True)
        return np.load(folder / "out.npy")

    def rest(captions, seeds):
        rows = [{"caption": c, "seed": s} for c, s in zip(captions, seeds, strict=True)]
        _, answer = post(f"{server.rest}/dmgan:predict", {"instances": rows})
        encoded = [row["image_bytes"]["b64"] for row in answer["predictions"]]
        opened = [Image.open(io.BytesIO(base64.b64decode(text))) for text in encoded]
        return np.stack([np.asarray(image) for image in opened])

    return {
        "keras": TextToImage.from_preset(tiny_run).generate,
        "saved_model": saved_model,
        "grpc": lambda captions, seeds: images(predict(request(captions, seeds))),
        "rest": rest,
        "onnx": EdgeModel(onnx_folder).generate,
        "ort": EdgeModel(onnx_folder, ort=True).generate,
    }


@pytest.mark.parametrize("way", ["keras", "saved_model", "grpc", "rest", "onnx", "ort"])
def test_picture_is_the_same_everywhere_and_in_every_batch(ways, expected, way):
    whole = ways["keras"](CAPTIONS, SEEDS).astype(int)
    for count in (1, 3, 8):
        drawn = np.asarray(ways[way](CAPTIONS[:count], SEEDS[:count]), int)
        assert np.abs(drawn - whole[:count]).max() <= 1
    for picture, wanted in zip(whole, expected, strict=False):
        assert np.abs(picture - wanted).max() <= 1
