"""The ONNX files: what is in them, and that they draw what Keras draws."""

import hashlib
import json
from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
from command_lines import run

from dmgan_tf.edge import EdgeModel
from dmgan_tf.export import edge_folder, edge_report, onnx_files, onnx_graph, onnx_precision
from dmgan_tf.inference import edge_runtimes, presets
from dmgan_tf.inference.text_to_image import TextToImage

pytestmark = pytest.mark.slow

CAPTIONS = ["a red bird", "a small bird with a blue crown and brown wings in the snow", "a bird"]
SEEDS = [3, -1, 2**40]
PRECISIONS = ("float32", "float16", "int8")
NAMES = ("dmgan", "text_encoder", "generator", "stages")


def within(one, other):
    """The largest difference in grey levels."""
    assert one.shape == other.shape
    return int(np.abs(one.astype(int) - other.astype(int)).max())


def graph(folder, name):
    model = onnx.load(folder / f"{name}.onnx")
    onnx.checker.check_model(model, full_check=True)
    return model.graph


def session(folder, name):
    path = folder / f"{name}.onnx"
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def artist(tiny_run):
    return TextToImage.from_preset(tiny_run)


@pytest.fixture(scope="module")
def feed(artist):
    return artist.inputs(artist.encode(CAPTIONS), SEEDS)


def test_recurrent_layers_are_lstm_nodes_and_nothing_loops(onnx_folder):
    for precision in PRECISIONS:
        for name, layers in zip(NAMES, (2, 2, 0, 2), strict=True):
            kinds = Counter(n.op_type for n in graph(onnx_folder, f"{name}_{precision}").node)
            assert kinds["LSTM"] == layers
            assert not {"Loop", "Scan", "If"} & set(kinds)


def test_batch_norm_is_folded_into_the_kernels(onnx_folder):
    found = graph(onnx_folder, "dmgan_float32")
    vectors = {t.name for t in found.initializer if np.prod(t.dims) > 1}
    scaled = [n.name for n in found.node if n.op_type == "Mul" and vectors & set(n.input)]
    assert not scaled
    assert not any(node.op_type == "BatchNormalization" for node in found.node)


def test_manifest_describes_every_file(onnx_folder):
    manifest = json.loads((onnx_folder / "manifest.json").read_text())
    files = {path.name for path in onnx_folder.iterdir()}
    ort = json.loads((onnx_folder / "ort.json").read_text())
    assert set(ort) == {f"dmgan_{p}.ort" for p in PRECISIONS}
    described = set(manifest["files"]) | set(ort)
    assert described == files - {"manifest.json", "ort.json", "report.json"}
    assert {f"{name}_{p}.onnx" for name in NAMES for p in PRECISIONS} <= files
    for name, described in (manifest["files"] | ort).items():
        content = (onnx_folder / name).read_bytes()
        assert described["bytes"] == len(content)
        assert described["sha256"] == hashlib.sha256(content).hexdigest()
    for name in (n for n in manifest["files"] if n.endswith(".onnx")):
        described = manifest["files"][name]
        inputs = session(onnx_folder, name.removesuffix(".onnx")).get_inputs()
        assert {i.name: i.shape for i in inputs} == {
            key: value["shape"] for key, value in described["inputs"].items()
        }
        assert all(shape["shape"][0] == "batch" for shape in described["outputs"].values())


def test_report_holds_what_the_files_are(onnx_folder):
    rows = json.loads((onnx_folder / "report.json").read_text())
    assert {row["runtime"] for row in rows} == {"onnxruntime"}
    assert [row["precision"] for row in rows] == list(PRECISIONS)
    assert rows[0]["grey_levels"] <= 1
    for row in rows:
        size = (onnx_folder / f"dmgan_{row['precision']}.onnx").stat().st_size
        assert row["mebibytes"] == pytest.approx(size / 2**20, abs=0.01)
        assert 0 < row["latency_ms"] <= row["cold_start_ms"]
        assert row["peak_memory_mib"] > 10


def test_the_same_model_gives_the_same_bytes(tiny_run, onnx_folder, tmp_path):
    options = "--model", tiny_run, "--precision", "float32,float16,int8", "--stages"
    process = run("export.to_onnx", *options, "--out", tmp_path / "onnx")
    assert process.returncode == 0, process.stderr
    # The report has timings; ONNX Runtime writes the parts of an .ort file in any order.
    for path in onnx_folder.iterdir():
        if path.name not in ("report.json", "ort.json") and path.suffix != ".ort":
            assert path.read_bytes() == (tmp_path / "onnx" / path.name).read_bytes(), path.name
    assert "_ms" not in (onnx_folder / "manifest.json").read_text()


def test_models_say_whose_they_are(onnx_folder, artist):
    manifest = json.loads((onnx_folder / "manifest.json").read_text())
    for name in (n for n in manifest["files"] if n.endswith(".onnx")):
        found = {p.key: p.value for p in onnx.load(onnx_folder / name).metadata_props}
        assert found["fingerprint"] == manifest["fingerprint"]
        assert tuple(found["words"].split("\n")) == artist.vocabulary.words
        assert "licence" not in found  # a run says nothing of it


def test_a_presets_models_have_its_licence(tmp_path):
    onnx_files.write_stages(presets.find("toy_birds"), tmp_path)
    found = onnx.load(tmp_path / "stages_float32.onnx").metadata_props
    licence = presets.load_card(presets.find("toy_birds")).licence
    assert {p.key: p.value for p in found}["licence"] == licence
    assert json.loads((tmp_path / "manifest.json").read_text())["licence"] == licence


@pytest.mark.parametrize("ort", [False, True], ids=["onnx", "ort"])
def test_float32_draws_what_keras_draws_in_any_batch(onnx_folder, artist, ort):
    model = EdgeModel(onnx_folder, ort=ort)
    captions, seeds = (CAPTIONS * 3)[:8], list(range(8))
    expected = artist.generate(captions, seeds)
    assert within(model.generate(captions, seeds), expected) <= 1
    assert within(model.generate(captions[:3], seeds[:3]), expected[:3]) <= 1
    for i in range(3):
        assert within(model.generate(captions[i], seeds[i]), expected[i : i + 1]) <= 1


def test_stages_are_what_keras_draws_with_attention_and_gates(onnx_folder, artist, feed):
    found = session(onnx_folder, "stages_float32")
    outputs = dict(zip([o.name for o in found.get_outputs()], found.run(None, feed), strict=True))
    expected = artist.draw(CAPTIONS, SEEDS)
    sides = [images.shape[1] for images in expected.images]
    for side, images in zip(sides, expected.images, strict=True):
        assert within(outputs.pop(f"image_{side}"), images) <= 1
    parts = expected.attention, expected.writing_gates, expected.response_gates
    for name, values in zip(("attention", "writing_gate", "response_gate"), parts, strict=True):
        for side, value in zip(sides, values, strict=False):
            np.testing.assert_allclose(outputs.pop(f"{name}_{side}"), value, atol=1e-4)
    assert not outputs


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_whole_is_the_last_stage(onnx_folder, feed, precision):
    whole = session(onnx_folder, f"dmgan_{precision}").run(["image"], feed)[0]
    stages = session(onnx_folder, f"stages_{precision}")
    last = f"image_{whole.shape[1]}"
    # int8: attention and gates are outputs, whose ranges calibration meets once more.
    assert within(stages.run([last], feed)[0], whole) <= (40 if precision == "int8" else 2)


def test_golden_vectors_are_what_is_drawn_from(onnx_folder, artist):
    manifest = json.loads((onnx_folder / "manifest.json").read_text(encoding="utf-8"))
    rows = manifest["golden"]["tokens"]
    drawable = [row for row in rows if row["ids"]]
    assert len(drawable) > 4
    assert artist.encode([r["caption"] for r in drawable]) == [r["ids"] for r in drawable]
    for row in manifest["golden"]["noise"]:
        found = artist.inputs([[1]], [int(row["seed"])])
        stream = np.concatenate([found["noise"][0], found["condition_noise"][0]])
        count = min(len(stream), len(row["values"]))
        np.testing.assert_array_equal(stream[:count], np.float32(row["values"])[:count])


@pytest.mark.parametrize(("precision", "least_psnr"), [("float16", 45), ("int8", 25)])
def test_lower_precisions_stay_near(onnx_folder, artist, precision, least_psnr):
    found = EdgeModel(onnx_folder, precision).generate(CAPTIONS, SEEDS).astype(float)
    error = np.mean((found - artist.generate(CAPTIONS, SEEDS)) ** 2)
    assert 10 * np.log10(255**2 / error) > least_psnr


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_halves_make_the_whole(onnx_folder, feed, precision):
    whole = session(onnx_folder, f"dmgan_{precision}").run(["image"], feed)[0]
    encoder = session(onnx_folder, f"text_encoder_{precision}")
    names = ["word_features", "sentence_feature"]
    text = encoder.run(names, {name: feed[name] for name in ("ids", "lengths")})
    rest = {name: feed[name] for name in ("lengths", "noise", "condition_noise")}
    drawn = session(onnx_folder, f"generator_{precision}").run(
        ["image"], dict(zip(names, text, strict=True)) | rest
    )[0]
    # int8: both halves were calibrated on their own.
    assert within(drawn, whole) <= (40 if precision == "int8" else 2)


def test_int8_of_a_trained_model_stays_near():
    preset = presets.find("toy_birds_128")
    artist = TextToImage.from_preset(preset, portable=True)
    calibration, held_out = edge_folder.captions(artist, preset, judged=64)
    exact = onnx_graph.trace(artist, names=["dmgan"])["dmgan"]
    rounded = onnx_precision.int8(exact, edge_folder.feeds(artist, calibration, 1))
    reference = edge_report.reference(artist, held_out, first_seed=1000)
    for runtime in ("onnxruntime", "openvino"):
        drawn = edge_runtimes.load(runtime, rounded.SerializeToString())(reference.feed)
        error = np.mean((drawn - reference.images * 1.0) ** 2)
        assert 10 * np.log10(255**2 / error) > 30, runtime


def test_padding_beyond_the_longest_caption_changes_nothing(onnx_folder, feed):
    whole = session(onnx_folder, "dmgan_float32")
    trimmed = feed | {"ids": feed["ids"][:, : feed["lengths"].max()]}
    assert within(whole.run(None, trimmed)[0], whole.run(None, feed)[0]) <= 1


@pytest.mark.parametrize("precision", PRECISIONS)
def test_words_beyond_the_models_limit_change_nothing(onnx_folder, artist, feed, precision):
    most = artist.max_words
    ids = np.ones((len(CAPTIONS), most + 10_000), np.int32)
    long = feed | {"ids": ids, "lengths": np.full(len(CAPTIONS), 2**31 - 1, np.int32)}
    short = feed | {"ids": ids[:, :most], "lengths": np.full(len(CAPTIONS), most, np.int32)}
    whole = session(onnx_folder, f"dmgan_{precision}")
    assert within(whole.run(None, long)[0], whole.run(None, short)[0]) <= 1
    encoder = session(onnx_folder, f"text_encoder_{precision}")
    words, _ = encoder.run(
        ["word_features", "sentence_feature"], {name: long[name] for name in ("ids", "lengths")}
    )
    assert words.shape[1] == most


def test_pictures_can_stay_float(tiny_run, artist, feed, tmp_path):
    options = "--model", tiny_run, "--out", tmp_path / "onnx", "--float-images"
    (tmp_path / "captions.txt").write_text("a red bird\na blue bird\n")
    process = run("export.to_onnx", *options, "--captions-file", tmp_path / "captions.txt")
    assert process.returncode == 0, process.stderr
    found = session(tmp_path / "onnx", "dmgan_float32").run(["image"], feed)[0]
    assert found.dtype == np.float32 and np.abs(found).max() <= 1
    expected = artist.generate(CAPTIONS, SEEDS)
    assert within(np.rint((found + 1) * 127.5), expected) <= 1
    assert within(EdgeModel(tmp_path / "onnx").generate(CAPTIONS, SEEDS), expected) <= 1


def test_what_others_left_beside_it_stays(tiny_run, tmp_path):
    (tmp_path / "onnx.partial").mkdir()
    (tmp_path / "onnx.partial" / "notes").write_text("mine")
    (tmp_path / "captions.txt").write_text("a red bird\na blue bird\n")
    options = "--out", tmp_path / "onnx", "--captions-file", tmp_path / "captions.txt"
    process = run("export.to_onnx", "--model", tiny_run, *options)
    assert process.returncode == 0, process.stderr
    assert (tmp_path / "onnx.partial" / "notes").read_text() == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["captions.txt", "onnx", "onnx.partial"]


@pytest.mark.parametrize("script", ["to_onnx", "to_litert", "saved_model"])
def test_out_that_cannot_be_is_one_line(tiny_run, tmp_path, script):
    (tmp_path / "file").write_text("")
    options = "--model", tiny_run, "--out", tmp_path / "file" / "x"
    process = run(f"export.{script}", *options)
    assert process.returncode == 2
    assert process.stderr.splitlines()[-1].endswith("cannot be written: Not a directory.")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--precision", "float8"], "--precision knows float32, float16, int8. Received: float8."),
        (["--captions-file", "absent.txt"], "absent.txt: cannot be read as text"),
        (["--out", "."], "is there already: name another folder, or remove it."),
    ],
    ids=["precision", "captions", "out"],
)
def test_mistake_is_one_line_and_leaves_nothing(tiny_run, tmp_path, options, message):
    line = ["--model", tiny_run, "--out", tmp_path / "onnx", *options]
    process = run("export.to_onnx", *line)
    assert process.returncode == 2
    assert message in process.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())
