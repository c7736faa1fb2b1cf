"""The LiteRT files: what is in them, and that they draw what Keras draws."""

import hashlib
import json

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from command_lines import run

from dmgan_tf.edge import EdgeModel
from dmgan_tf.export import edge_folder, edge_report, litert_files
from dmgan_tf.inference import edge_runtimes, presets
from dmgan_tf.inference.text_to_image import TextToImage

pytestmark = pytest.mark.slow

CAPTIONS = ["a red bird", "a small bird with a blue crown and brown wings in the snow", "a bird"]
SEEDS = [3, -1, 2**40]
PRECISIONS = ("float32", "float16", "int8")


@pytest.fixture(scope="module")
def artist(tiny_run):
    return TextToImage.from_preset(tiny_run)


def drawn(folder, precision):
    return EdgeModel(folder, precision, runtime="litert").generate(CAPTIONS, SEEDS)


def test_float32_draws_what_keras_draws(litert_folder, artist):
    expected = artist.generate(CAPTIONS, SEEDS)
    assert np.abs(drawn(litert_folder, "float32").astype(int) - expected).max() <= 1


@pytest.mark.parametrize(("precision", "least_psnr"), [("float16", 45), ("int8", 25)])
def test_lower_precisions_are_smaller_and_stay_near(litert_folder, artist, precision, least_psnr):
    error = np.mean((drawn(litert_folder, precision) - artist.generate(CAPTIONS, SEEDS) * 1.0) ** 2)
    assert 10 * np.log10(255**2 / error) > least_psnr
    sizes = [(litert_folder / f"dmgan_{p}.tflite").stat().st_size for p in ("float32", precision)]
    assert sizes[1] < sizes[0]  # most of so small a file is its operators


def test_int8_rounds_no_number_that_chooses_the_surroundings():
    """On a preset: the tiny model's kernels are too small to be rounded."""
    preset = presets.find("toy_birds")
    artist = TextToImage.from_preset(preset, portable=True)
    some, others = edge_folder.captions(artist, preset)
    reference = edge_report.reference(artist, some + others)
    content = litert_files.convert(litert_files.trace(artist), "int8")

    interpreter = Interpreter(model_content=content)
    rounded = ""
    for operator in interpreter._get_ops_details():
        inputs = [interpreter._get_tensor_details(i, 0) for i in operator["inputs"] if i >= 0]
        if any(one["dtype"] == np.int8 for one in inputs):
            outputs = (interpreter._get_tensor_details(i, 0) for i in operator["outputs"])
            rounded += "".join(one["name"] + "\n" for one in outputs)
    assert "Conv2D" in rounded and "word_to_memory" in rounded
    assert "text_encoder" not in rounded and "prior" not in rounded

    drawn = edge_runtimes.load("litert", content)(reference.feed)
    errors = np.mean((drawn - reference.images * 1.0) ** 2, axis=(1, 2, 3))
    assert 10 * np.log10(255**2 / errors.max()) > 35  # other surroundings: 17


@pytest.mark.parametrize("precision", PRECISIONS)
def test_operators_are_builtin_and_nothing_loops_or_holds_state(litert_folder, precision):
    interpreter = Interpreter(str(litert_folder / f"dmgan_{precision}.tflite"))
    kinds = {operator["op_name"] for operator in interpreter._get_ops_details()}
    assert not {"WHILE", "IF", "CUSTOM", "VAR_HANDLE"} & kinds
    assert not [kind for kind in kinds if kind.startswith("Flex")]


def test_xnnpack_takes_the_convolutions_with_their_edges(litert_folder):
    interpreter = Interpreter(str(litert_folder / "dmgan_float32.tflite"))
    operators = [operator["op_name"] for operator in interpreter._get_ops_details()]
    assert "MIRROR_PAD" not in operators
    interpreter.allocate_tensors()
    parts = [o["op_name"] for o in interpreter._get_ops_details()].count("DELEGATE")
    assert 0 < parts < operators.count("CONV_2D") / 2


def test_inputs_are_those_of_the_onnx_graph_for_one_caption(litert_folder, artist):
    interpreter = Interpreter(str(litert_folder / "dmgan_float32.tflite"))
    runner = interpreter.get_signature_runner()
    found = {
        name: (d["shape"].tolist(), d["dtype"]) for name, d in runner.get_input_details().items()
    }
    sizes = artist.generator.noise_size, artist.generator.condition_size
    assert found == {
        "ids": ([1, artist.max_words], np.int32),
        "lengths": ([1], np.int32),
        "noise": ([1, sizes[0]], np.float32),
        "condition_noise": ([1, sizes[1]], np.float32),
    }
    assert list(runner.get_output_details()) == ["image"]


def test_manifest_describes_every_file_and_the_report_stands_beside_it(litert_folder):
    manifest = json.loads((litert_folder / "manifest.json").read_text())
    files = {path.name for path in litert_folder.iterdir()}
    assert set(manifest["files"]) == files - {"manifest.json", "report.json"}
    assert {f"dmgan_{p}.tflite" for p in PRECISIONS} | {"vocabulary.json"} == set(manifest["files"])
    for name, described in manifest["files"].items():
        content = (litert_folder / name).read_bytes()
        assert described["sha256"] == hashlib.sha256(content).hexdigest()
    rows = json.loads((litert_folder / "report.json").read_text())
    assert [(row["runtime"], row["precision"]) for row in rows] == [
        ("litert", precision) for precision in PRECISIONS
    ]
    assert rows[0]["grey_levels"] <= 1
    assert all(row["latency_ms"] > 0 and row["peak_memory_mib"] > 10 for row in rows)


def said(path):
    """The metadata of a file, by name."""
    model = schema.Model.GetRootAs(path.read_bytes())
    entries = (model.Metadata(i) for i in range(model.MetadataLength()))
    return {e.Name().decode(): bytes(model.Buffers(e.Buffer()).DataAsNumpy()) for e in entries}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_models_say_whose_they_are(litert_folder, artist, precision):
    manifest = json.loads((litert_folder / "manifest.json").read_text())
    found = said(litert_folder / f"dmgan_{precision}.tflite")
    assert found["fingerprint"].decode() == manifest["fingerprint"]
    assert tuple(found["words"].decode().split("\n")) == artist.vocabulary.words
    assert "licence" not in found  # a run says nothing of it


def test_the_same_model_gives_the_same_bytes_and_pictures_can_stay_float(
    tiny_run, litert_folder, artist, tmp_path
):
    for folder, option in (
        ("again", "--precision=float32,float16,int8"),
        ("float", "--float-images"),
    ):
        process = run("export.to_litert", "--model", tiny_run, "--out", tmp_path / folder, option)
        assert process.returncode == 0, process.stderr
    for path in litert_folder.iterdir():
        if path.name != "report.json":  # which has timings
            assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name
    name = "dmgan_float32.tflite"
    found = drawn(tmp_path / "float", "float32")
    assert np.abs(found.astype(int) - artist.generate(CAPTIONS, SEEDS)).max() <= 1
    assert (tmp_path / "float" / name).read_bytes() != (litert_folder / name).read_bytes()


def test_unknown_precision_is_one_line_and_leaves_nothing(tiny_run, tmp_path):
    options = "--model", tiny_run, "--out", tmp_path / "litert", "--precision", "bfloat16"
    process = run("export.to_litert", *options)
    assert process.returncode == 2
    message = "--precision knows float32, float16, int8. Received: bfloat16."
    assert message in process.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())
