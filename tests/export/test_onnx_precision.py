"""float16 of graphs that ONNX Runtime's converter alone does not convert well."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from dmgan_tf.export.onnx_precision import float16


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
