"""Equal graphs become equal bytes, whatever the order and names of their parts."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from dmgan_tf.export.onnx_canonical import canonical


def model(names, order, unused=False):
    """(2x − (x + 1)) + 1, with two equal constants and these names, in this order of nodes."""
    one, again, two, total, double = names
    nodes = [
        helper.make_node("Add", ["x", one], [total], f"node of {total}"),
        helper.make_node("Mul", ["x", two], [double], f"node of {double}"),
        helper.make_node("Sub", [double, total], ["difference"], "last"),
        helper.make_node("Add", ["difference", again], ["y"], "end"),
    ]
    values = {one: 1.0, two: 2.0, again: 1.0} | ({"nothing": 3.0} if unused else {})
    constants = [numpy_helper.from_array(np.float32([v]), n) for n, v in values.items()]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [2]) for n in ("x", "y")]
    graph = helper.make_graph([nodes[i] for i in order], "graph", ends[:1], ends[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def test_names_order_and_unused_constants_leave_no_trace():
    first = canonical(model("abcde", (0, 1, 2, 3)))
    second = canonical(model("vwuts", (1, 0, 2, 3), unused=True))
    assert first.SerializeToString() == second.SerializeToString()
    assert canonical(first).SerializeToString() == first.SerializeToString()
    assert len(first.graph.initializer) == 2


@pytest.mark.parametrize("form", [lambda m: m, canonical], ids=["as it was", "canonical"])
def test_the_function_stays(form):
    changed = form(model("abcde", (0, 1, 2, 3)))
    onnx.checker.check_model(changed, full_check=True)
    session = onnxruntime.InferenceSession(
        changed.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (found,) = session.run(None, {"x": np.float32([1, -4])})
    np.testing.assert_array_equal(found, [1, -4])


def test_another_function_gives_other_bytes():
    other = model("abcde", (0, 1, 2, 3))
    other.graph.node[1].op_type = "Div"
    assert canonical(other) != canonical(model("abcde", (0, 1, 2, 3)))


def test_a_node_with_a_graph_inside_is_refused():
    output = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])]
    branch = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "branch", [], output)
    node = helper.make_node("If", ["c"], ["z"], "choice", then_branch=branch, else_branch=branch)
    graph = helper.make_graph([node], "graph", [], [])
    with pytest.raises(ValueError, match="Received: choice"):
        canonical(helper.make_model(graph))
