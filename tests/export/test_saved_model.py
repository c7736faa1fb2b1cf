"""The SavedModel: written by its command line, read back as a stranger would."""

import io
import shutil

import numpy as np
import pytest
import tensorflow as tf
from command_lines import run
from PIL import Image

from dmgan_tf.export import saved_model
from dmgan_tf.inference.text_to_image import TextToImage
from dmgan_tf.layers.cpu import winograd

CAPTIONS = ["a red bird with white wings", "zzz", "", "the BLUE bird, on a branch!"]
SEEDS = [3, 1, 2, -7]


@pytest.fixture(scope="module")
def signatures(exported):
    return tf.saved_model.load(str(exported / "7")).signatures


@pytest.fixture(scope="module")
def answers(signatures):
    inputs = {"caption": tf.constant(CAPTIONS), "seed": tf.constant(SEEDS, tf.int64)}
    return {name: signatures[name](**inputs) for name in ("serving_default", "images", "stages")}


def test_pictures_are_those_of_the_python_interface(tiny_run, answers):
    artist = TextToImage.from_preset(tiny_run)
    for row in (0, 3):
        expected = artist.generate(CAPTIONS[row], SEEDS[row])[0]
        found = answers["images"]["image"][row].numpy()
        assert np.abs(found.astype(int) - expected).max() <= 1
        png = Image.open(io.BytesIO(answers["serving_default"]["image_bytes"][row].numpy()))
        np.testing.assert_array_equal(np.asarray(png), found)


def test_bfloat16_is_exported(tiny_run, tmp_path):
    saved_model.export(tiny_run, tmp_path / "1", "bfloat16")
    loaded = tf.saved_model.load(str(tmp_path / "1"))
    found = loaded.signatures["images"](
        caption=tf.constant(CAPTIONS[:1]), seed=tf.constant(SEEDS[:1], tf.int64)
    )["image"]
    artist = TextToImage.from_preset(tiny_run, dtype="bfloat16")
    error = found.numpy().astype(float) - artist.generate(CAPTIONS[0], SEEDS[0])
    assert np.sqrt(np.mean(error**2)) < 1
    exact = TextToImage.from_preset(tiny_run).generate(CAPTIONS[0], SEEDS[0])
    assert (found.numpy() != exact).any()


def test_a_caption_of_no_known_word_spoils_its_own_row_alone(answers):
    for answer in answers.values():
        assert [bool(error) for error in answer["error"].numpy()] == [False, True, True, False]
    sizes = [len(png) for png in answers["serving_default"]["image_bytes"].numpy()]
    assert [size > 0 for size in sizes] == [True, False, False, True]


def test_stages_hold_every_resolution_attention_and_gates(tiny_run, answers):
    drawing = TextToImage.from_preset(tiny_run).draw(CAPTIONS[0], SEEDS[0])
    stages = answers["stages"]
    for image in drawing.images:
        found = stages[f"image_{image.shape[1]}"][0].numpy()
        assert np.abs(found.astype(int) - image[0]).max() <= 1
    side = drawing.images[0].shape[1]
    np.testing.assert_allclose(stages[f"attention_{side}"][:1], drawing.attention[0], atol=1e-6)
    for name, gate in (
        ("writing_gate", drawing.writing_gates),
        ("response_gate", drawing.response_gates),
    ):
        np.testing.assert_allclose(stages[f"{name}_{side}"][:1], gate[0], atol=1e-5)


def test_tokens_give_what_captions_give(signatures, answers):
    text = signatures["encode_text"](caption=tf.constant(CAPTIONS[:1]))
    assert text["word_features"].shape[:2] == text["ids"].shape
    shapes = signatures["tokens"].structured_input_signature[1]
    size, condition_size = (shapes[n].shape[1] for n in ("noise", "condition_noise"))
    from dmgan_tf.inference.noise import seeded_noise

    noise = seeded_noise(SEEDS[:1], size + condition_size)
    image = signatures["tokens"](
        ids=text["ids"],
        lengths=text["lengths"],
        noise=tf.constant(noise[:, :size]),
        condition_noise=tf.constant(noise[:, size:]),
    )["image"]
    found = (image[0].numpy() + 1) * 127.5
    assert np.abs(found - answers["images"]["image"][0].numpy()).max() <= 1


def test_words_beyond_the_models_limit_cost_and_change_nothing(signatures):
    most = signatures["encode_text"](caption=tf.constant(["a"]))["ids"].shape[1]
    shapes = signatures["tokens"].structured_input_signature[1]
    noise = {n: tf.ones([2, shapes[n].shape[1]]) for n in ("noise", "condition_noise")}

    def drawn(width, lengths):
        ids = tf.ones([2, width], tf.int32)
        return signatures["tokens"](ids=ids, lengths=tf.constant(lengths), **noise)["image"]

    expected = drawn(most, [most, 1])
    np.testing.assert_allclose(drawn(most + 100_000, [2**31 - 1, 0]), expected, atol=1e-5)
    np.testing.assert_allclose(drawn(most, [most + 1, -(2**31)]), expected, atol=1e-5)
    with pytest.raises(tf.errors.InvalidArgumentError):
        drawn(0, [1, 1])


def test_every_input_and_output_has_the_batch_first(signatures):
    assert sorted(signatures) == ["encode_text", "images", "serving_default", "stages", "tokens"]
    for signature in signatures.values():
        specs = {**signature.structured_input_signature[1], **signature.structured_outputs}
        for name, spec in specs.items():
            assert spec.shape.rank and spec.shape[0] is None, name


def foreign_nodes(directory):
    """Names of what a server without Python and without XLA could not run."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    model = SavedModel.FromString((directory / "saved_model.pb").read_bytes())
    graph = model.meta_graphs[0].graph_def
    nodes = [*graph.node, *(n for function in graph.library.function for n in function.node_def)]
    return [
        node.name
        for node in nodes
        if "PyFunc" in node.op or node.op.startswith("Xla") or node.attr["_XlaMustCompile"].b
    ]


def test_the_graph_needs_no_python_and_no_custom_operation(exported):
    assert not foreign_nodes(exported / "7")


def test_nor_does_that_of_a_large_model(tiny_run, tmp_path, monkeypatch):
    monkeypatch.setattr(winograd, "MIN_CHANNELS", 1)
    monkeypatch.setattr(winograd, "MIN_WORK", 1)
    saved_model.export(tiny_run, tmp_path / "dmgan" / "1")
    assert not foreign_nodes(tmp_path / "dmgan" / "1")


def test_warm_up_requests_are_ones_that_the_model_answers(exported, signatures):
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    path = exported / "7" / "assets.extra" / "tf_serving_warmup_requests"
    logs = [PredictionLog.FromString(r.numpy()) for r in tf.data.TFRecordDataset(str(path))]
    assert logs
    for log in logs:
        request = log.predict_log.request
        assert request.model_spec.name == exported.name
        inputs = {k: tf.constant(tf.make_ndarray(v)) for k, v in request.inputs.items()}
        answer = signatures[request.model_spec.signature_name](**inputs)
        assert not any(answer["error"].numpy())


def test_a_version_that_is_there_is_never_overwritten(tiny_run, exported):
    before = sorted((exported / "7").rglob("*"))
    process = run("export.saved_model", "--model", tiny_run, "--out", exported, "--version", 7)
    assert process.returncode == 2
    assert "is there already: give the next --version" in process.stderr
    assert sorted((exported / "7").rglob("*")) == before


def test_a_damaged_model_leaves_nothing_behind(tiny_run, tmp_path):
    model = shutil.copytree(tiny_run / "model", tmp_path / "model")
    weights = model / "generator.weights.h5"
    weights.write_bytes(weights.read_bytes()[:1000])
    process = run("export.saved_model", "--model", model, "--out", tmp_path / "out")
    assert process.returncode == 2
    assert "generator.weights.h5: cannot be loaded" in process.stderr
    assert not list((tmp_path / "out").glob("*"))
