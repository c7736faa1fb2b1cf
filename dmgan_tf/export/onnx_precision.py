"""ONNX graphs in float16 and in int8.

float16  weights and computation; inputs, outputs and noise stay float32.
int8     convolutions: static QDQ. A range is the mean of what single calibration pictures have as
         extremes, times a factor: wider ones round more, narrower ones cut more values. The factor,
         one for all, is the one with which calibration pictures come nearest to float32.
         Dense layers: the weights alone, computed in float32. They take little time, and their
         values are those that a range may not cut: noise, condition, gates.
         Those that choose a Gaussian of the prior stay float32.
         The embedding: as it stands. All weights but the embedding's with a scale for each channel.
         Left in float32: the recurrent layers, which have no static int8 kernel, products of two
         computed tensors (the attention), and the convolutions that give pictures, whose error
         anyone would see. Where pictures stay below 33 dB, also the three convolutions that lose
         most, of those whose float32 weights add less than 1 MiB.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnxruntime import InferenceSession
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

_COLOURS = 3
_FACTORS = (1.0, 0.85, 1.15, 1.3)
_JUDGED = 16  # calibration pictures that choose the factor
_ENOUGH_DB = 33
_MOST_KEPT, _MOST_ADDED_BYTES = 3, 2**20  # convolutions kept in float32, and what each may add
_RANKING = 4  # calibration pictures that tell which


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
    factors: Sequence[float] = _FACTORS,
) -> onnx.ModelProto:
    """The graph in int8.

    Args: feeds: inputs of the graph, of one picture each, whose activations set the ranges.
        full_range: convolutions' weights of 8 bits, for processors that add their products in 32
        bits (VNNI, ARM); else of 7, since AVX2 adds two products in 16 and cuts what is beyond.
        nodes: names of those to change; None: all that can be. ranges: file that keeps the ranges
        from call to call, of an ONNX Runtime that can. factors: of the ranges, to choose from.
    """
    nodes = quantized_nodes(model.graph) if nodes is None else nodes
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
                op_types_to_quantize=["Conv", "Gather"],
                nodes_to_quantize=nodes,
                extra_options={"CalibMovingAverage": True},  # of one call: the plain mean
                **({"calibration_cache_path": ranges} if ranges else {}),
            )
        rounded = onnx.load(quantized)
    _round_dense(rounded.graph, nodes)
    tried = [_with_ranges_times(factor, rounded) for factor in factors]
    if len(tried) == 1:
        return tried[0]
    judged = feeds[:_JUDGED]
    drawn = _draw(model, judged)
    psnrs = [_psnr(_draw(graph, judged), drawn) for graph in tried]
    best = tried[int(np.argmax(psnrs))]
    if max(psnrs) >= _ENOUGH_DB:
        return best
    return _in_float32(best, model, _most_sensitive(best, model, judged[:_RANKING], drawn))


def quantized_nodes(graph: onnx.GraphProto) -> list[str]:
    """Names of the nodes that int8 changes."""
    constants = {tensor.name: tensor.dims for tensor in graph.initializer}
    choosing = _before_sums(graph)
    return [
        node.name
        for node in graph.node
        if (node.op_type == "Conv" and constants[node.input[1]][0] != _COLOURS)
        or (node.op_type == "Gather" and node.input[0] in constants)
        or (node.op_type == "MatMul" and node.input[1] in constants and node.name not in choosing)
    ]


def _before_sums(graph):
    """Names of the nodes from which the prior's sums of shares come.

    They choose what is drawn: rounded, they would now and then choose other surroundings.
    """
    makers = {output: node for node in graph.node for output in node.output}
    wanted = [node for node in graph.node if node.op_type == "CumSum"]
    found = set()
    while wanted:
        node = wanted.pop()
        if node.name not in found:
            found.add(node.name)
            wanted += [makers[name] for name in node.input if name in makers]
    return found


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


def _psnr(pictures, exact):
    """Of what two graphs draw, dB."""
    most = 255 if exact.dtype == np.uint8 else 2
    error = np.square(pictures.astype(np.float32) - exact.astype(np.float32)).mean()
    return 20 * np.log10(most) - 10 * np.log10(max(error, 1e-12))


def _most_sensitive(quantized, model, feeds, drawn):
    """Names of the few convolutions whose rounding costs most, of those that may be kept."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    rounded, gains = set(quantized_nodes(model.graph)), {}
    for node in model.graph.node:
        added = 3 * np.prod(constants[node.input[1]].dims) if node.op_type == "Conv" else 0
        if node.name in rounded and 0 < added < _MOST_ADDED_BYTES:
            pictures = _draw(_in_float32(quantized, model, [node.name]), feeds)
            gains[node.name] = _psnr(pictures, drawn[: len(feeds)])
    return sorted(gains, key=gains.get, reverse=True)[:_MOST_KEPT]


def _in_float32(quantized, model, names):
    """The quantized graph with these convolutions as the model has them.

    What nothing needs any more is left in it: `canonical` drops that.
    """
    copy = onnx.ModelProto.FromString(quantized.SerializeToString())
    makers = {output: node for node in copy.graph.node for output in node.output}
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    originals = {node.name: node for node in model.graph.node}
    added = {}
    for node in copy.graph.node:
        if node.op_type == "Conv" and node.name in names:
            dequantized = makers[node.input[0]]
            before = makers[dequantized.input[0]].input[0]
            parameters = originals[node.name].input[1:]
            added |= {f"{name}_float32": constants[name] for name in parameters}
            node.input[:] = [before, *(f"{name}_float32" for name in parameters)]
    for name, tensor in added.items():
        copy.graph.initializer.append(numpy_helper.from_array(numpy_helper.to_array(tensor), name))
    return copy


def _draw(model, feeds):
    """The first output for each of the feeds."""
    session = InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.array([session.run(None, feed)[0] for feed in feeds])


def _with_ranges_times(factor, model):
    """The graph with all ranges of convolutions' inputs and outputs that much wider."""
    wider = onnx.ModelProto.FromString(model.SerializeToString())
    graph = wider.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    makers = {node.output[0]: node for node in graph.node}

    def multiply(name, by):
        values = numpy_helper.to_array(constants[name])
        product = values * np.float32(by)
        if values.dtype == np.int32:
            product = np.rint(product).astype(np.int32)
        constants[name].CopyFrom(numpy_helper.from_array(product, name))

    # An activation's scale stands in its own name at both ends, hence the sets. A bias is rounded
    # by the scale of the convolution's input, and holds the same value by another.
    rounded = [node for node in graph.node if node.op_type == "QuantizeLinear"]
    for name in {node.input[1] for node in rounded if not _is_gathered(node.input[0], makers)}:
        multiply(name, factor)
    convolutions = [node for node in graph.node if node.op_type == "Conv" and len(node.input) > 2]
    biases = {tuple(makers[n.input[2]].input[:2]) for n in convolutions if n.input[2] in makers}
    for values, scale in biases:
        multiply(values, 1 / factor)
        multiply(scale, factor)
    return wider


def _is_gathered(name, makers):
    """Whether a tensor is looked up in the embedding, whose values are rounded already."""
    return name in makers and makers[name].op_type == "Gather"


def _round_dense(graph, names):
    """Weights of the named dense layers in 8 bits, a scale for each column, read as float32."""
    dense = {n.input[1] for n in graph.node if n.op_type == "MatMul" and n.name in names}
    for tensor in [tensor for tensor in graph.initializer if tensor.name in dense]:
        weights, stored = numpy_helper.to_array(tensor), tensor.name
        largest = np.abs(weights).max(axis=0)
        scale = np.where(largest > 0, largest, 1).astype(np.float32) / 127
        tensor.CopyFrom(numpy_helper.from_array(np.rint(weights / scale).astype(np.int8), stored))
        graph.initializer.append(numpy_helper.from_array(scale, f"{stored}_scale"))
        inputs, output = [stored, f"{stored}_scale"], f"{stored}_float32"
        for node in graph.node:
            node.input[:] = [output if name == stored else name for name in node.input]
        graph.node.insert(0, onnx.helper.make_node("DequantizeLinear", inputs, [output], axis=1))
