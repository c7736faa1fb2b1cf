"""Constants of a frozen TensorFlow graph: the file is parsed as data, no graph is ever made."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from dmgan_tf.errors import UserError


def read_graph(path: Path) -> tf.compat.v1.GraphDef:
    """The nodes of a graph, as data.

    Raises: UserError: when the file can't be read, is no graph or is cut off.
    """
    graph = tf.compat.v1.GraphDef()
    try:
        graph.ParseFromString(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}.") from error
    except DecodeError as error:
        raise UserError(f"{path}: is no frozen graph, or is cut off.") from error
    if not graph.node:
        raise UserError(f"{path}: is no frozen graph, or is empty.")
    return graph


def constants(
    graph: tf.compat.v1.GraphDef, shapes: Mapping[str, tuple[int, ...]], path: Path
) -> dict[str, np.ndarray]:
    """The constants of these names, as far as they are there and of these shapes.

    A constant of another shape isn't unpacked: a few bytes can claim to be of any size.

    Raises: UserError: when one of them is damaged.
    """
    arrays = {}
    for node in graph.node:
        if node.op != "Const" or node.name not in shapes:
            continue
        tensor = node.attr["value"].tensor
        if tuple(axis.size for axis in tensor.tensor_shape.dim) != shapes[node.name]:
            continue
        try:
            arrays[node.name] = tf.make_ndarray(tensor)
        except (TypeError, ValueError) as error:
            raise UserError(f"{path}: is damaged at {node.name}.") from error
    return arrays
