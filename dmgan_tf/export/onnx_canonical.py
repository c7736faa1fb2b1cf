"""One form for equal ONNX graphs: tf2onnx and ONNX Runtime's tools go through sets, so the order of
nodes and the names that they give change from process to process.
"""

from __future__ import annotations

import onnx
from onnx import numpy_helper


def canonical(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph, for one function the same bytes.

    Nodes stand in the order in which its outputs need them, constants in that of their first use;
    both, and what nodes give, are named by their places. Equal constants are one, what nothing
    needs is dropped, and so are the shapes between inputs and outputs.

    Raises: ValueError: for a node with a graph inside, whose names would have to follow.
    """
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    graph = copy.graph
    kinds = onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS
    if inside := [node.name for node in graph.node for a in node.attribute if a.type in kinds]:
        raise ValueError(f"Nodes with a graph inside are not known here. Received: {inside[0]}.")
    nodes, constants = _in_order(graph), {tensor.name: tensor for tensor in graph.initializer}
    names = {value.name: value.name for value in (*graph.input, *graph.output)}
    kept: dict[tuple, onnx.TensorProto] = {}
    for node in nodes:
        for name in node.input:
            if name in constants and name not in names:
                array = numpy_helper.to_array(constants[name])
                key = constants[name].data_type, array.shape, array.tobytes()
                kept.setdefault(key, numpy_helper.from_array(array, f"constant_{len(kept)}"))
                names[name] = kept[key].name
    for place, node in enumerate(nodes):
        node.name = f"{node.op_type}_{place}"
        for number, name in enumerate(node.output):
            if name:
                names.setdefault(name, f"{node.name}_{number}" if number else node.name)
        node.input[:] = [names[name] if name else "" for name in node.input]
        node.output[:] = [names[name] if name else "" for name in node.output]
    for field, values in (("node", nodes), ("initializer", kept.values()), ("value_info", [])):
        graph.ClearField(field)
        getattr(graph, field).extend(values)
    return copy


def _in_order(graph):
    """The nodes that the outputs need, each behind those that it needs itself."""
    maker = {name: node for node in graph.node for name in node.output if name}
    ordered, seen = [], set()
    # Not by recursion: graphs are deeper than Python's stack.
    waiting = [(value.name, False) for value in reversed(graph.output)]
    while waiting:
        name, is_ready = waiting.pop()
        node = maker.get(name)
        if node is None:
            continue
        if is_ready:
            ordered.append(onnx.NodeProto.FromString(node.SerializeToString()))
        elif id(node) not in seen:
            seen.add(id(node))
            waiting.append((name, True))
            waiting.extend((needed, False) for needed in reversed(node.input))
    return ordered
