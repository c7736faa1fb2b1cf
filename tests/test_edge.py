"""`dmgan_tf.edge` where there is no TensorFlow."""

import json
import shutil
import subprocess
import sys

import numpy as np
import openvino
import pytest
from command_lines import ROOT, environment, run, succeed
from PIL import Image

from dmgan_tf.edge import EdgeModel
from dmgan_tf.errors import UserError

pytestmark = pytest.mark.slow

CAPTION = "a red bird with a blue crown"
# Prints what was imported from outside of the standard library, and draws.
PROGRAM = """
import importlib.metadata, sys
from dmgan_tf.edge import EdgeModel
image = EdgeModel(sys.argv[1], runtime=sys.argv[2]).generate("a red bird", 3)
owners = importlib.metadata.packages_distributions()
print(image.shape, *{n.split(".")[0] for n in sys.modules} & set(owners))
"""


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image, int)


def test_command_line_draws_what_generate_draws(tiny_run, onnx_folder, tmp_path):
    options = "--caption", CAPTION, "--seed", "5", "--out"
    succeed("generate", "--model", tiny_run, *options, tmp_path / "keras.png")
    for extra in ((), ("--ort",)):
        printed = succeed("edge", "--model", onnx_folder, *options, tmp_path / "edge.png", *extra)
        assert printed == f"Picture: {tmp_path / 'edge.png'}\n"
        assert np.abs(pixels(tmp_path / "edge.png") - pixels(tmp_path / "keras.png")).max() <= 1


@pytest.mark.parametrize("runtime", ["openvino", "litert"])
def test_every_runtime_draws_what_generate_draws(
    tiny_run, onnx_folder, litert_folder, tmp_path, runtime
):
    folder = litert_folder if runtime == "litert" else onnx_folder
    options = "--caption", CAPTION, "a bird", "--seed", "5", "--out"
    succeed("generate", "--model", tiny_run, *options, tmp_path / "keras.png")
    drawn = tmp_path / "edge.png"
    succeed("edge", "--model", folder, "--runtime", runtime, "--threads", 1, *options, drawn)
    assert np.abs(pixels(drawn) - pixels(tmp_path / "keras.png")).max() <= 1


@pytest.mark.parametrize(("precision", "most"), [("float32", 1), ("float16", 2)])
def test_openvino_draws_what_onnx_runtime_draws(onnx_folder, precision, most):
    captions, seeds = [CAPTION, "a bird", "a blue bird", "a red bird", "a bird"], [0, 1, 2, -3, 4]
    one = EdgeModel(onnx_folder, precision).generate(captions, seeds)
    other = EdgeModel(onnx_folder, precision, runtime="openvino").generate(captions, seeds)
    assert one.shape == other.shape
    assert np.abs(one.astype(int) - other).max() <= most


def test_bfloat16_is_drawn_where_the_processor_has_it_and_else_refused(onnx_folder):
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        with pytest.raises(UserError, match="does not compute in bfloat16"):
            EdgeModel(onnx_folder, "bfloat16", runtime="openvino")
        return
    exact = EdgeModel(onnx_folder).generate(CAPTION).astype(float)
    drawn = EdgeModel(onnx_folder, "bfloat16", runtime="openvino").generate(CAPTION)
    assert 10 * np.log10(255**2 / np.mean((drawn - exact) ** 2)) > 38


@pytest.mark.parametrize(
    ("runtime", "package"),
    [("onnxruntime", "onnxruntime"), ("openvino", "openvino"), ("litert", "ai_edge_litert")],
)
def test_it_needs_three_packages(onnx_folder, litert_folder, runtime, package):
    folder = litert_folder if runtime == "litert" else onnx_folder
    command = [sys.executable, "-c", PROGRAM, str(folder), runtime]
    printed = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
    ).stdout
    shape, names = printed.rsplit(")", 1)
    assert shape == "(1, 16, 16, 3"
    # Of the runtimes themselves (absl where it is installed), and of the environment.
    own = {"flatbuffers", "google", "packaging", "sympy", "mpmath", "_distutils_hack"}
    own |= {"openvino_telemetry", "absl"}
    assert set(names.split()) - own <= {"dmgan_tf", "numpy", "PIL", package}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: cut(folder / "dmgan_float32.ort"), "dmgan_float32.ort: is damaged or was"),
        (lambda folder: (folder / "ort.json").write_text("[]"), "ort.json: must hold names and"),
        (lambda folder: (folder / "ort.json").unlink(), "holds no dmgan_float32.ort. Its"),
        (lambda folder: (folder / "ort.json").write_text("{}"), "holds no dmgan_float32.ort. Its"),
    ],
    ids=["cut model", "no description", "missing", "no files"],
)
def test_damaged_ort_is_told(onnx_folder, tmp_path, damage, message):
    folder = shutil.copytree(onnx_folder, tmp_path / "onnx")
    damage(folder)
    assert len(EdgeModel(folder).generate(CAPTION)) == 1
    with pytest.raises(UserError, match=message):
        EdgeModel(folder, ort=True)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda folder: (folder / "manifest.json").unlink(),
            "manifest.json: describes no exported",
        ),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "manifest.json: describes no"),
        (lambda folder: forget(folder, "max_words"), "manifest.json: describes no"),
        (lambda folder: forget(folder, "files", []), "manifest.json: is damaged"),
        (
            lambda folder: cut(folder / "dmgan_float32.onnx"),
            "dmgan_float32.onnx: is damaged or was",
        ),
        (lambda folder: cut(folder / "vocabulary.json"), "vocabulary.json: is damaged or was"),
        (lambda folder: (folder / "dmgan_float32.onnx").unlink(), "cannot be read: No such file"),
    ],
    ids=[
        "no manifest",
        "no description",
        "no words",
        "no files",
        "cut model",
        "cut vocabulary",
        "no model",
    ],
)
def test_damaged_export_is_told_in_one_line(onnx_folder, tmp_path, damage, message):
    folder = shutil.copytree(onnx_folder, tmp_path / "onnx")
    damage(folder)
    assert message in refusal("--model", folder, "--caption", CAPTION, cwd=tmp_path)
    assert not (tmp_path / "picture.png").exists()


def forget(folder, key, value=None):
    """Puts another value into the manifest, or nothing."""
    path = folder / "manifest.json"
    content = json.loads(path.read_text()) | {key: value}
    path.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--caption", "qwerty"],
            "The caption 'qwerty' can't be drawn: none of ['qwerty'] is known",
        ),
        (
            ["--caption", CAPTION, "--precision", "int4"],
            "holds no dmgan_int4.onnx. Its precisions: float16, float32, int8.",
        ),
        (
            ["--caption", CAPTION, "--precision", "bfloat16"],
            "bfloat16 is computed by OpenVINO alone. Received: onnxruntime.",
        ),
        (
            ["--caption", CAPTION, "--runtime", "litert"],
            "Its precisions: none. Export one first: dmgan export litert --model",
        ),
        (
            ["--caption", CAPTION, "--runtime", "openvino", "--ort"],
            ".ort files are ONNX Runtime's. Received: openvino.",
        ),
        (
            ["--caption", CAPTION, "--providers", "AbsentExecutionProvider"],
            "ONNX Runtime has no AbsentExecutionProvider here. It has: ",
        ),
        (
            ["--caption", CAPTION, "--runtime", "openvino", "--providers", "CPUExecutionProvider"],
            "Providers are ONNX Runtime's. Received: CPUExecutionProvider for openvino.",
        ),
        (["--caption", CAPTION, "--seed", str(2**63)], "--seed must fit into 64 bits."),
        (["--caption", CAPTION, "--threads", "-3"], "--threads must lie in 0 … 1024."),
        (["--caption", CAPTION, "--out", "a.tiff"], "must name a .png, .jpg, .jpeg, .webp file."),
        (["--caption", CAPTION, "--out", "/proc/a.png"], "/proc/a.png: cannot be written"),
    ],
    ids=[
        "caption",
        "precision",
        "bfloat16",
        "litert",
        "ort",
        "provider",
        "runtime of a provider",
        "seed",
        "threads",
        "suffix",
        "out",
    ],
)
def test_mistake_is_one_line(onnx_folder, tmp_path, options, message):
    assert message in refusal("--model", onnx_folder, *options, cwd=tmp_path)


def test_model_that_is_not_exported_yet_is_told_with_the_command_that_exports_it(tmp_path):
    for name, model in (("toy_birds", "toy_birds"), ("nothing", "MODEL")):
        line = refusal("--model", name, "--caption", CAPTION, cwd=tmp_path)
        assert f"dmgan export onnx --model {model} --out FOLDER." in line


def refusal(*arguments, cwd):
    """The last line of an `edge` that must fail."""
    process = run("edge", *arguments, cwd=cwd)
    assert process.returncode == 2
    assert "Traceback" not in process.stderr
    return process.stderr.splitlines()[-1]
