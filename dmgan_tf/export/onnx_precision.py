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
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel


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


def int8(model: onnx.ModelProto, feeds: list[dict[str, np.ndarray]]) -> onnx.ModelProto:
    """The graph in int8.

    Args: feeds: inputs of the graph, whose activations set the ranges.
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
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                op_types_to_quantize=["Conv", "MatMul", "Gemm", "Gather"],
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
