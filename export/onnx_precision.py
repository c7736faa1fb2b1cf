"""ONNX graphs in float16 and in int8.

float16  weights and computation; inputs, outputs and noise stay float32.
int8     static QDQ: convolutions and dense layers, with the ranges that calibration captions gave.
         Left in float32: the recurrent layers, which have no static int8 kernel, products of two
         computed tensors (the attention), and the last convolution, whose error anyone would see.
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
from onnx import helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

# What nearest ×2 and a 3×3 kernel make of a 4×4 kernel's rows: see `layers.conv_blocks`.
_ROW_OF_3 = np.array([[0, 0, 0, 1], [-1, 1, 0, 0], [1, 0, 0, 0]], np.float32)


def float16(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph in float16, its inputs and outputs as they were."""
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    half = OnnxModel(convert_float_to_float16(copy, keep_io_types=True))
    half.topological_sort()  # the conversion leaves its casts at the end
    return half.model


def int8(model: onnx.ModelProto, feeds: list[dict[str, np.ndarray]]) -> onnx.ModelProto:
    """The graph in int8.

    Args: feeds: inputs of the graph, whose activations set the ranges.
    """
    model = _nearest_upsampling(model)
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
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                op_types_to_quantize=["Conv", "MatMul", "Gemm", "Resize", "Gather"],
                nodes_to_exclude=_kept_in_float(model.graph),
            )
        return onnx.load(quantized)


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
    constants = {tensor.name for tensor in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    return [
        *(n.name for n in graph.node if n.op_type == "MatMul" and not constants & set(n.input)),
        *(n.name for n in graph.node if n.op_type == "Gather" and n.input[0] not in constants),
        *(node.name for node in convolutions[-1:]),
    ]


def _nearest_upsampling(model: onnx.ModelProto) -> onnx.ModelProto:
    """Transposed convolutions as nearest neighbour ×2 and a 3×3 convolution: the same function.

    It has an int8 kernel, and 9 instead of 16 numbers per pair of channels.
    """
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    graph = copy.graph
    if not any(node.op_type == "ConvTranspose" for node in graph.node):
        return copy
    values = {tensor.name: tensor for tensor in graph.initializer}
    scales = numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "upsampling/scales")
    graph.initializer.append(scales)
    for place, node in reversed(list(enumerate(graph.node))):
        if node.op_type != "ConvTranspose":
            continue
        x, kernel, bias = node.input
        small = np.einsum(
            "hu,wv,iouv->oihw", _ROW_OF_3, _ROW_OF_3, numpy_helper.to_array(values[kernel])
        )
        values[kernel].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(small), kernel))
        wide = f"{node.name}/wide"
        graph.node.insert(
            place,
            helper.make_node(
                "Resize",
                [x, "", scales.name],
                [wide],
                f"{node.name}/nearest",
                mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            ),
        )
        convolution = helper.make_node(
            "Conv", [wide, kernel, bias], node.output, node.name, pads=[1, 1, 1, 1]
        )
        node.CopyFrom(convolution)
    return copy
