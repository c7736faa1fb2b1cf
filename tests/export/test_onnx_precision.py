"""float16 of graphs that ONNX Runtime's converter alone does not convert well; what int8 rounds."""

import inspect

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import quantize_static

from dmgan_tf.export.onnx_canonical import canonical
from dmgan_tf.export.onnx_precision import float16, int8, quantized_nodes


def test_a_value_that_two_float32_nodes_take_is_cast_once():
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in ("x", "z")]
    nodes = [
        helper.make_node("Add", ["x", "x"], ["y"], "add"),
        helper.make_node("Max", ["y", "half"], ["high"], "max"),  # Min and Max stay in float32
        helper.make_node("Min", ["y", "high"], ["z"], "min"),
    ]
    half = helper.make_tensor("half", TensorProto.FLOAT, [1], [0.5])
    graph = helper.make_graph(nodes, "graph", value[:1], value[1:], [half])
    opset = [helper.make_opsetid("", 18)]
    model = float16(
        onnx.shape_inference.infer_shapes(
            helper.make_model(graph, opset_imports=opset, ir_version=9)
        )
    )
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (found,) = session.run(None, {"x": np.array([-0.25, 3.0], "float32")})
    np.testing.assert_array_equal(found, [-0.5, 6.0])


def chain(kernels, rng):
    """1×1 convolutions, one after the other, the last of which gives a picture."""
    nodes = [
        helper.make_node("Conv", [f"x{i}", f"kernel{i}", f"bias{i}"], [f"x{i + 1}"], f"conv{i}")
        for i in range(len(kernels))
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, 4, 4])
        for name, channels in (("x0", 2), (f"x{len(kernels)}", 3))
    ]
    constants = [numpy_helper.from_array(k, f"kernel{i}") for i, k in enumerate(kernels)]
    biases = [rng.standard_normal(len(kernel)).astype("float32") for kernel in kernels]
    constants += [numpy_helper.from_array(b, f"bias{i}") for i, b in enumerate(biases)]
    graph = helper.make_graph(nodes, "graph", ends[:1], ends[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.fixture(scope="module")
def convolutions():
    """A chain of three, and feeds of it."""
    rng = np.random.default_rng(0)
    kernels = [rng.standard_normal((n, 2, 1, 1)).astype("float32") for n in (2, 2, 3)]
    return chain(kernels, rng), [{"x0": rng.standard_normal((1, 2, 4, 4)).astype("float32")}]


def rounded_kernels(model):
    """The int8 kernels by name."""
    found = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    return {n: v for n, v in found.items() if v.dtype == np.int8 and v.ndim == 4}


@pytest.mark.parametrize(("full_range", "largest"), [(False, 64), (True, 127)])
def test_weights_have_7_bits_or_8_and_each_channel_uses_them_all(convolutions, full_range, largest):
    kernels = rounded_kernels(int8(*convolutions, full_range=full_range))
    assert len(kernels) == 2  # the one that gives a picture stays in float32
    for kernel in kernels.values():
        most = np.abs(kernel.astype(int)).max(axis=(1, 2, 3))
        np.testing.assert_array_equal(most, [largest, largest])


def scale_of_input(graph):
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    (first,) = (n for n in graph.node if n.op_type == "QuantizeLinear" and n.input[0] == "x0")
    return constants[first.input[1]]


def test_a_range_is_the_mean_of_what_single_pictures_reach(convolutions):
    model, _ = convolutions
    feeds = [{"x0": np.full((1, 2, 4, 4), value, "float32")} for value in (1, 1, 4)]
    found = int8(model, feeds, factors=(1.0,)).graph
    np.testing.assert_allclose(scale_of_input(found), 2 / 255, rtol=1e-6)


def test_ranges_are_wide_enough_for_what_is_drawn(convolutions):
    model, _ = convolutions
    feeds = [{"x0": np.full((1, 2, 4, 4), value, "float32")} for value in (1, 1, 4)]
    changed = int8(model, feeds, factors=(0.5, 4.0, 1.0))
    np.testing.assert_allclose(scale_of_input(changed.graph), 4 * 2 / 255, rtol=1e-6)
    exact, found = (
        onnxruntime.InferenceSession(m.SerializeToString(), providers=["CPUExecutionProvider"])
        for m in (model, changed)
    )
    for feed in feeds:
        expected = exact.run(None, feed)[0]
        np.testing.assert_allclose(
            found.run(None, feed)[0], expected, atol=0.05 * np.abs(expected).max()
        )


def test_the_convolutions_that_lose_most_stay_float32():
    rng = np.random.default_rng(0)
    plain = [np.eye(2) for _ in range(5)]
    plain[1], plain[2] = np.diag([1000, 1]), np.diag([0.001, 1])  # the second channel is lost
    kernels = [k.reshape(2, 2, 1, 1).astype("float32") for k in plain]
    model = chain([*kernels, rng.standard_normal((3, 2, 1, 1)).astype("float32")], rng)
    feeds = [{"x0": rng.uniform(-1, 1, (1, 2, 4, 4)).astype("float32")} for _ in range(4)]
    changed = canonical(int8(model, feeds))
    onnx.checker.check_model(changed, full_check=True)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in changed.graph.initializer}
    exact = [
        constants[n.input[1]]
        for n in changed.graph.node
        if n.op_type == "Conv" and n.input[1] in constants
    ]
    assert any(np.array_equal(kernel, kernels[2]) for kernel in exact)
    assert len(rounded_kernels(changed)) == 1  # three of five are kept; equal ones are one
    sessions = [
        onnxruntime.InferenceSession(m.SerializeToString(), providers=["CPUExecutionProvider"])
        for m in (model, changed)
    ]
    for feed in feeds:
        expected, found = (session.run(None, feed)[0] for session in sessions)
        np.testing.assert_allclose(found, expected, atol=0.1)


def test_dense_layers_have_weights_of_8_bits_and_cut_no_value():
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((5, 3)).astype("float32") * [1, 100, 0]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size])
        for name, size in (("x", 5), ("y", 3))
    ]
    constant = numpy_helper.from_array(weights.astype("float32"), "weights")
    node = helper.make_node("MatMul", ["x", "weights"], ["y"], "dense")
    graph = helper.make_graph([node], "graph", ends[:1], ends[1:], [constant])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    assert quantized_nodes(model.graph) == ["dense"]
    changed = int8(model, [{"x": np.full((1, 5), 0.01, "float32")}])
    onnx.checker.check_model(changed, full_check=True)
    (rounded,) = (t for t in changed.graph.initializer if t.name == "weights")
    assert numpy_helper.to_array(rounded).dtype == np.int8
    session = onnxruntime.InferenceSession(
        changed.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    x = rng.standard_normal((1, 5)).astype("float32")  # far beyond what it was calibrated on
    limit = np.abs(x).sum() * np.abs(weights).max(axis=0) / 254
    assert np.all(np.abs(session.run(None, {"x": x})[0] - x @ weights)[0] <= limit + 1e-5)


@pytest.mark.skipif(
    "calibration_cache_path" not in inspect.signature(quantize_static).parameters,
    reason="this ONNX Runtime keeps no ranges",
)
def test_single_layers_can_be_rounded_with_ranges_that_are_kept(convolutions, tmp_path):
    model, feeds = convolutions
    assert quantized_nodes(model.graph) == ["conv0", "conv1"]
    ranges = tmp_path / "ranges.json"
    for name in ("conv0", "conv1"):
        changed = int8(model, feeds, nodes=[name], ranges=ranges, factors=(1.0,))
        kernels = rounded_kernels(changed)
        assert [kernel[: len("kernel0")] for kernel in kernels] == [name.replace("conv", "kernel")]
        feeds = []  # the second time the file is enough
    assert ranges.is_file()
