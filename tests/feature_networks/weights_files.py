"""Random weights in the format of each network's published file."""

import json
from pathlib import Path

import numpy as np
import tensorflow as tf
from random_weights import random_state

from dmgan_tf.feature_networks.inception_names import (
    graph_scopes,
    old_slim_scopes,
    tf_slim_scopes,
)
from dmgan_tf.interop.torch_file import write_state_dict
from dmgan_tf.models.inception_v3 import convolutions

REFERENCE = Path(__file__).parent / "data" / "reference.npz"
SHADOW = "/ExponentialMovingAverage"


def reference(name):
    with np.load(REFERENCE) as file:
        return file[f"{name}/features"], file[f"{name}/logits"]


def inception_state(classes, scaled=True):
    """PyTorch's names and layout."""
    shapes = {"fc.weight": (classes, 2048), "fc.bias": (classes,)}
    for name, row, channels in convolutions():
        shapes[f"{name}.conv.weight"] = (row.filters, channels, *row.kernel)
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.bn.{part}"] = (row.filters,)
    return random_state(shapes, scaled)


def tensorflow_tensors(state, scopes, kernel, norm, top):
    """The same under TensorFlow's names and in its layout."""
    tensors = {
        f"{top}/weights": state["fc.weight"].T.copy(),
        f"{top}/biases": state["fc.bias"],
    }
    for name, scope in scopes.items():
        tensors[f"{scope}/{kernel}"] = state[f"{name}.conv.weight"].transpose(2, 3, 1, 0).copy()
        tensors[f"{scope}/{norm}/beta"] = state[f"{name}.bn.bias"]
        tensors[f"{scope}/{norm}/moving_mean"] = state[f"{name}.bn.running_mean"]
        tensors[f"{scope}/{norm}/moving_variance"] = state[f"{name}.bn.running_var"]
    return tensors


def graph_2015(state):
    """A frozen graph; with gammas that its batch norms don't use."""
    scopes = graph_scopes()
    tensors = tensorflow_tensors(state, scopes, "conv2d_params", "batchnorm", "softmax")
    for name, scope in scopes.items():
        tensors[f"{scope}/batchnorm/gamma"] = 3 * np.ones_like(state[f"{name}.bn.bias"])
    graph = tf.compat.v1.GraphDef()
    for name, array in tensors.items():
        node = graph.node.add(name=name, op="Const")
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(array))
    return graph


def old_slim_tensors(state):
    return tensorflow_tensors(state, old_slim_scopes(), "weights", "BatchNorm", "logits/logits")


def tf_slim_tensors(state):
    top = "InceptionV3/Logits/Conv2d_1c_1x1"
    tensors = tensorflow_tensors(state, tf_slim_scopes(), "weights", "BatchNorm", top)
    return tensors | {f"{top}/weights": tensors[f"{top}/weights"][None, None]}


def averaged(tensors):
    """Each variable with its moving average, which is what counts."""
    late = {name: np.full_like(array, 7) for name, array in tensors.items()}
    return late | {name + SHADOW: array for name, array in tensors.items()}


def write_checkpoint(prefix, tensors):
    """A checkpoint as TensorFlow writes it since 0.12."""
    slices = [""] * len(tensors)
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(tensors),
        shape_and_slices=slices,
        tensors=[tf.constant(array) for array in tensors.values()],
    )


def write_old_checkpoint(path, tensors):
    """A checkpoint of the one file of before."""
    tf.raw_ops.Save(
        filename=str(path),
        tensor_names=list(tensors),
        data=[tf.constant(array) for array in tensors.values()],
    )


def lite0_state():
    with np.load(REFERENCE) as file:
        shapes = json.loads(str(file["efficientnet-lite0/shapes"]))
    return random_state({name: tuple(shape) for name, shape in shapes.items()})


def write_lite0(path):
    write_state_dict(path, lite0_state())
    return path
