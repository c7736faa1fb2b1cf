"""Constants of a frozen TensorFlow graph: the file is parsed as data, no graph is ever made."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from dmgan_tf.errors import UserError


def read_constants(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """The constants of these names, as far as they are there and of these shapes.

    A constant of another shape isn't unpacked: a few bytes can claim to be of any size.

    Raises: UserError: when the file can't be read, is no graph or is damaged.
    """
    graph = tf.compat.v1.GraphDef()
    try:
        graph.ParseFromString(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}.") from error
    except DecodeError as error:
        raise UserError(f"{path}: is no frozen graph, or is cut off.") from error
    constants = {}
    for node in graph.node:
        if node.op != "Const" or node.name not in shapes:
            continue
        tensor = node.attr["value"].tensor
        if tuple(axis.size for axis in tensor.tensor_shape.dim) != shapes[node.name]:
            continue
        try:
            constants[node.name] = tf.make_ndarray(tensor)
        except (TypeError, ValueError) as error:
            raise UserError(f"{path}: is damaged at {node.name}.") from error
    return constants
