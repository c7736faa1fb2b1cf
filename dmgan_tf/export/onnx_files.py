"""The files of an ONNX export: graphs, vocabulary, manifest, report."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.tools.convert_onnx_models_to_ort import (
    OptimizationStyle,
    convert_onnx_models_to_ort,
)
from tqdm import tqdm

from dmgan_tf import build, edge
from dmgan_tf.config_file import load_config
from dmgan_tf.errors import UserError
from dmgan_tf.export import onnx_graph, onnx_precision, onnx_report
from dmgan_tf.export.golden import golden
from dmgan_tf.inference.model_directory import fingerprint, resolve
from dmgan_tf.inference.text_to_image import TextToImage
from dmgan_tf.inference.whole_folder import whole_folder

PRECISIONS = ("float32", "float16", "int8")
_CALIBRATION_CAPTIONS, _REPORT_CAPTIONS, _BATCH_SIZE = 48, 16, 4
TOKEN_RULES = (
    r"lower case; runs of \w (Unicode); characters beyond ASCII removed from each; ids by place in "
    "vocabulary.json; unknown words dropped; cut at max_words; padded with 0"
)


def export(
    model: Path,
    out: Path,
    precision: tuple[str, ...] = ("float32",),
    captions_file: Path | None = None,
    float_images: bool = False,
    stages: bool = False,
) -> str:
    """Writes the export of a model directory to `out`, whole or not at all.

    Args: stages: write the graph `stages` as well.

    Returns: the report, a table.
    Raises: UserError: when there is no model, or there are no captions.
    """
    if wrong := [p for p in precision if p not in PRECISIONS]:
        raise UserError(f"`precision` knows {', '.join(PRECISIONS)}. Received: {', '.join(wrong)}.")
    artist = TextToImage.from_preset(model, portable=True)
    captions = _captions(artist, model, captions_file)
    with whole_folder(out) as partial:
        names = (*onnx_graph.PICTURES, *([onnx_graph.STAGES] if stages else []))
        graphs = onnx_graph.trace(artist, not float_images, names)
        rows = _write_graphs(artist, partial, precision, captions, graphs)
        _write_manifest(model, artist, partial, rows)
    return onnx_report.table(rows)


def write_stages(model: Path, folder: Path) -> None:
    """Writes the graph `stages` in float32, words and manifest into a folder, without a report.

    Raises: UserError: when there is no model.
    """
    artist = TextToImage.from_preset(model, portable=True)
    for name, graph in onnx_graph.trace(artist, names=[onnx_graph.STAGES]).items():
        _save(graph, folder / f"{name}_float32.onnx")
    _write_manifest(model, artist, folder, [])


def _captions(artist, model, captions_file):
    """Captions that the model can draw, shuffled: for calibration, then for the report."""
    if captions_file:
        try:
            found = captions_file.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{captions_file}: cannot be read as text: {error}.") from error
    else:
        try:
            data = build.captions(load_config(resolve(model) / "config.yaml"), "train")
        except UserError as error:
            raise UserError(f"{error} Or name captions with --captions-file.") from error
        found = [caption for captions in data for caption in captions]
    known = sorted({caption for caption in found if artist.vocabulary.encode(caption)[0]})
    if len(known) < 2:
        raise UserError(
            f"{captions_file or model}: two captions of known words or more are needed."
        )
    random.Random(0).shuffle(known)
    calibration = known[: max(1, min(_CALIBRATION_CAPTIONS, len(known) // 2))]
    return calibration, known[len(calibration) :][:_REPORT_CAPTIONS]


def _write_graphs(artist, folder, precisions, captions, graphs):
    """Writes `.onnx` and `.ort`; returns the report's rows, one per precision."""
    calibration, judged = captions
    feeds = [_feed(artist, calibration, start) for start in range(0, len(calibration), _BATCH_SIZE)]
    for precision in tqdm(precisions, desc="precisions", leave=False):
        for name, graph in graphs.items():
            if precision == "float16":
                graph = onnx_precision.float16(graph)
            elif precision == "int8":
                graph = onnx_precision.int8(graph, _feeds_of(graph, feeds, artist))
            _save(graph, folder / f"{name}_{precision}.onnx")
        _to_ort(folder / f"dmgan_{precision}.onnx")
    reference = onnx_report.reference(artist, judged)
    return [
        onnx_report.row(folder / f"dmgan_{precision}.onnx", precision, reference)
        for precision in tqdm(precisions, desc="report", leave=False)
    ]


def _save(graph, path):
    onnx.checker.check_model(graph, full_check=True)
    onnx.save(graph, path)


def _feed(artist, captions, start):
    rows = artist.encode(captions[start : start + _BATCH_SIZE])
    return artist.inputs(rows, range(start, start + len(rows)))


def _feeds_of(graph, feeds, artist):
    """The feeds with what the graph takes, words and sentence encoded where it begins with them."""
    names = [value.name for value in graph.graph.input]
    if "word_features" in names:
        feeds = [dict(feed) for feed in feeds]
        for feed in feeds:
            words, sentence = artist.text_encoder(feed["ids"], feed["lengths"])
            feed |= {"word_features": words.numpy(), "sentence_feature": sentence.numpy()}
    return [{name: feed[name] for name in names} for feed in feeds]


def _to_ort(path):
    with onnx_precision.quiet():
        convert_onnx_models_to_ort(path, optimization_styles=[OptimizationStyle.Fixed])


def _write_manifest(model, artist, folder, rows):
    """With the words, which it describes as the other files."""
    artist.vocabulary.save(folder / "vocabulary.json")
    generator = artist.generator
    content = {
        "format": edge.FORMAT,
        "max_words": artist.max_words,
        "noise_size": generator.noise_size,
        "condition_size": generator.condition_size,
        "side": generator.sides[-1],
        "sides": list(generator.sides),
        "fingerprint": fingerprint(resolve(model)),
        "vocabulary_fingerprint": artist.vocabulary.fingerprint,
        "tokens": TOKEN_RULES,
        "noise": "see dmgan_tf/inference/noise.py: noise and condition_noise are one stream",
        "golden": golden(artist.vocabulary, artist.max_words),
        "opset": onnx_graph.OPSET,
        "files": {path.name: _described(path) for path in sorted(folder.iterdir())},
        "report": rows,
    }
    path = folder / "manifest.json"
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")


def _described(path):
    content = path.read_bytes()
    described = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    if path.suffix == ".onnx":
        graph = onnx.ModelProto.FromString(content).graph
        described |= {"inputs": _values(graph.input), "outputs": _values(graph.output)}
    return described


def _values(values):
    return {
        value.name: {
            "type": np.dtype(
                onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
            ).name,
            "shape": [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim],
        }
        for value in values
    }
