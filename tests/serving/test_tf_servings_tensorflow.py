"""A SavedModel of today in the TensorFlow of TF Serving's newest release."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from requests_and_answers import CAPTIONS, SEEDS

from dmgan_tf.serving.model import Model

pytestmark = pytest.mark.slow
VERSION = "2.20.*"
# No package but TensorFlow: TF Serving does not contain this one.
PROGRAM = """
import json, sys
import tensorflow as tf
folder, captions, seeds = sys.argv[1], *map(json.loads, sys.argv[2:])
draw = tf.saved_model.load(folder).signatures["serving_default"]
drawn = draw(caption=tf.constant(captions), seed=tf.constant(seeds, tf.int64))
images = [tf.io.decode_png(p).numpy().tolist() if p else None for p in drawn["image_bytes"].numpy()]
errors = [e.decode() for e in drawn["error"].numpy()]
print(json.dumps({"version": tf.__version__, "images": images, "errors": errors}))
"""


@pytest.fixture(scope="module")
def python(request):
    """The interpreter of an environment with that TensorFlow; it stays in the tests' cache."""
    folder = request.config.cache.mkdir("tensorflow-serving")
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        request.getfixturevalue("index")
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, f"tensorflow-cpu=={VERSION}"], check=True, timeout=600)
        (folder / "installed").touch()
    return python


def test_saved_model_draws_the_same_pictures_in_tf_servings_tensorflow(python, exported):
    import tensorflow as tf

    (version,) = exported.iterdir()
    command = [python, "-c", PROGRAM, version, json.dumps(CAPTIONS), json.dumps(SEEDS)]
    shown = os.environ["CUDA_VISIBLE_DEVICES"]  # conftest's, or the caller's
    environment = {"CUDA_VISIBLE_DEVICES": shown, "TF_CPP_MIN_LOG_LEVEL": "3"}
    process = subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=300, check=False
    )
    assert process.returncode == 0, process.stderr
    there = json.loads(process.stdout.splitlines()[-1])
    assert there["version"].startswith(VERSION.removesuffix("*"))
    inputs = {"caption": np.array(CAPTIONS, object), "seed": np.array(SEEDS, np.int64)}
    here = Model(version).run("serving_default", inputs)
    assert there["errors"] == [error.decode() for error in here["error"]]
    drawn = [index for index, png in enumerate(here["image_bytes"]) if png]
    assert len(drawn) == 3
    for index in drawn:
        image = tf.io.decode_png(here["image_bytes"][index]).numpy().astype(int)
        # Rounding may move a pixel by one grey level.
        assert np.abs(image - there["images"][index]).max() <= 1
        assert image.std() > 1
