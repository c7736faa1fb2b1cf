"""ONNX graphs in float16 and in int8.

float16  weights and computation; inputs, outputs and noise stay float32.
int8     static QDQ: convolutions and dense layers, with the ranges that calibration captions gave;
         weights with a scale for each channel.
         Left in float32: the recurrent layers, which have no static int8 kernel, products of two
         computed tensors (the attention), and the convolutions that give pictures, whose error
         anyone would see.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

_COLOURS = 3
_KINDS = ("Conv", "MatMul", "Gemm", "Gather")


def float16(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph in float16, its inputs and outputs as they were."""
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    half = OnnxModel(convert_float_to_float16(copy, keep_io_types=True))
    # What two nodes want in float32 is cast twice, under one name.
    once = {tuple(node.output): node for node in half.model.graph.node}
    del half.model.graph.node[:]
    half.model.graph.node.extend(once.values())
    half.topological_sort()  # the conversion leaves its casts at the end
    return half.model


def int8(
    model: onnx.ModelProto,
    feeds: list[dict[str, np.ndarray]],
    full_range: bool = False,
    nodes: list[str] | None = None,
    ranges: Path | None = None,
) -> onnx.ModelProto:
    """The graph in int8.

    Args: feeds: inputs of the graph, whose activations set the ranges. full_range: weights of 8
        bits, for processors that add their products in 32 bits (VNNI, ARM); else of 7, since AVX2
        adds two products in 16 and cuts what is beyond. nodes: names of those to compute in int8;
        None: all that can be. ranges: file that keeps the ranges from call to call,
        of an ONNX Runtime that can.
    """
    with tempfile.TemporaryDirectory() as folder:
        ready, quantized = Path(folder) / "ready.onnx", Path(folder) / "int8.onnx"
        onnx.save(onnx.shape_inference.infer_shapes(model), ready)
        with quiet():
            quantize_static(
                ready,
                quantized,
                _Feeds(feeds),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                reduce_range=not full_range,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                op_types_to_quantize=list(_KINDS),
                nodes_to_quantize=nodes,
                nodes_to_exclude=_kept_in_float(model.graph),
                **({"calibration_cache_path": ranges} if ranges else {}),
            )
        return onnx.load(quantized)


def quantized_nodes(graph: onnx.GraphProto) -> list[str]:
    """Names of the nodes that int8 changes."""
    kept = set(_kept_in_float(graph))
    return [n.name for n in graph.node if n.op_type in _KINDS and n.name not in kept]


@contextlib.contextmanager
def quiet():
    """Without the progress notes of ONNX Runtime's tools: they go to stdout and the root logger."""
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)


class _Feeds(CalibrationDataReader):
    """Hands out what it was given, once."""

    def __init__(self, feeds):
        self._feeds: Iterator[dict] = iter(feeds)

    def get_next(self):
        return next(self._feeds, None)


def _kept_in_float(graph):
    constants = {tensor.name: tensor.dims for tensor in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    return [
        *(
            n.name
            for n in graph.node
            if n.op_type == "MatMul" and constants.keys().isdisjoint(n.input)
        ),
        *(n.name for n in graph.node if n.op_type == "Gather" and n.input[0] not in constants),
        *(node.name for node in convolutions if constants[node.input[1]][0] == _COLOURS),
    ]
