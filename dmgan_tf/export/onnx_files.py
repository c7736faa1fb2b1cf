"""The files of an ONNX export: graphs in every precision, with what `edge_folder` adds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnxruntime.tools.convert_onnx_models_to_ort import (
    OptimizationStyle,
    convert_onnx_models_to_ort,
)
from tqdm import tqdm

from dmgan_tf.export import edge_folder, edge_report, onnx_graph, onnx_precision
from dmgan_tf.export.edge_options import PRECISIONS
from dmgan_tf.export.onnx_canonical import canonical
from dmgan_tf.inference.text_to_image import TextToImage
from dmgan_tf.whole_folder import whole_folder


def export(
    model: Path,
    out: Path,
    precision: tuple[str, ...] = ("float32",),
    captions_file: Path | None = None,
    float_images: bool = False,
    stages: bool = False,
    full_range: bool = False,
) -> str:
    """Writes the export of a model directory to `out`, whole or not at all.

    Args: stages: write the graph `stages` as well. full_range: int8 weights of 8 bits, not of 7;
        see `onnx_precision.int8`.
    Returns: the report, a table.
    Raises: UserError: when there is no model, or there are no captions.
    """
    edge_folder.chosen(precision, PRECISIONS)
    artist = TextToImage.from_preset(model, portable=True)
    calibration, judged = edge_folder.captions(artist, model, captions_file)
    with whole_folder(out) as partial:
        names = (*onnx_graph.PICTURES, *([onnx_graph.STAGES] if stages else []))
        graphs = onnx_graph.trace(artist, not float_images, names)
        feeds = edge_folder.feeds(artist, calibration, 1)
        _write_graphs(model, artist, partial, precision, feeds, graphs, full_range)
        _write_manifest(model, artist, partial)
        reference = edge_report.reference(artist, judged)
        rows = edge_report.rows(partial, [("onnxruntime", p) for p in precision], reference)
        return edge_folder.write_report(partial, rows)


def write_stages(model: Path, folder: Path) -> None:
    """Writes the graph `stages` in float32, words and manifest into a folder, without a report.

    Raises: UserError: when there is no model.
    """
    artist = TextToImage.from_preset(model, portable=True)
    for name, graph in onnx_graph.trace(artist, names=[onnx_graph.STAGES]).items():
        _save(graph, folder / f"{name}_float32.onnx", edge_folder.properties(model, artist))
    _write_manifest(model, artist, folder)


def _write_graphs(model, artist, folder, precisions, feeds, graphs, full_range):
    """Writes `.onnx` and `.ort`."""
    properties = edge_folder.properties(model, artist)
    for precision in tqdm(precisions, desc="precisions", leave=False):
        for name, graph in graphs.items():
            if precision == "float16":
                graph = onnx_precision.float16(graph)
            elif precision == "int8":
                graph = onnx_precision.int8(graph, _feeds_of(graph, feeds, artist), full_range)
            _save(graph, folder / f"{name}_{precision}.onnx", properties)
        _to_ort(folder / f"dmgan_{precision}.onnx")


def _save(graph, path, properties):
    graph = canonical(graph)
    onnx.helper.set_model_props(graph, properties)
    onnx.checker.check_model(graph, full_check=True)
    onnx.save(graph, path)


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
    operators = path.with_suffix(".required_operators.config")
    lines = operators.read_text(encoding="utf-8").splitlines(keepends=True)
    # Comments name the folder in which it was made.
    operators.write_text("".join(x for x in lines if x[0] != "#"), encoding="utf-8")


def _write_manifest(model, artist, folder):
    edge_folder.write_manifest(model, artist, folder, _described, opset=onnx_graph.OPSET)


def _described(path):
    if path.suffix != ".onnx":
        return {}
    graph = onnx.ModelProto.FromString(path.read_bytes()).graph
    return {"inputs": _values(graph.input), "outputs": _values(graph.output)}


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
