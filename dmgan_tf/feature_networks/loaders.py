"""One function for each network: from the file of its weights to the network and its classifier.

The file is read first: making a network takes seconds, finding that a file is none takes none.
"""

from pathlib import Path

import h5py
import keras
import numpy as np
import tensorflow as tf

from dmgan_tf.errors import UserError
from dmgan_tf.feature_networks.graph_file import constants, read_graph
from dmgan_tf.feature_networks.inception_names import (
    graph_scopes,
    old_slim_scopes,
    tf_slim_scopes,
)
from dmgan_tf.feature_networks.weights_file import checkpoint_prefix
from dmgan_tf.interop.efficientnet_weights import read_efficientnet_weights
from dmgan_tf.interop.named_tensors import (
    KERNEL_AXES,
    MATRIX_AXES,
    Place,
    assign_tensors,
    batch_norm_places,
)
from dmgan_tf.interop.torch_file import read_state_dict
from dmgan_tf.models.efficientnet_lite import EfficientNetLite0Backbone, EfficientNetLiteBackbone
from dmgan_tf.models.inception_v3 import InceptionV3Backbone
from dmgan_tf.models.inception_weights import copy_keras_weights

Backbone = InceptionV3Backbone | EfficientNetLiteBackbone
Loaded = tuple[Backbone, keras.layers.Dense | None]

_SHADOW = "/ExponentialMovingAverage"


def load_inception_2015(path: Path) -> Loaded:
    """The network of TensorFlow's first image model, from its graph or from PyTorch's copy of it.

    Its logits go without their bias: that is what Inception Scores were always computed from
    (`improved-gan` multiplies the features by the matrix and stops there).
    """
    from_graph = path.suffix == ".pb"
    content = read_graph(path) if from_graph else read_state_dict(path)
    backbone = _inception(pools_count_padding=False, last_block_takes_maximum=True)
    classifier = _classifier(backbone, 1008, use_bias=False)
    if from_graph:
        # The graph has gammas, but its batch norms are told not to use them.
        places = _tensorflow_places(backbone, graph_scopes(), "conv2d_params", "batchnorm")
        places.append(Place(classifier.kernel, "softmax/weights"))
        shapes = {place.name: tuple(place.variable.shape) for place in places}
        tensors = constants(content, shapes, path)
    else:
        places = [*_torch_places(backbone), Place(classifier.kernel, "fc.weight", MATRIX_AXES)]
        tensors = content
    assign_tensors(places, tensors, path, "Inception v3 of 2015")
    return backbone, classifier


def load_inception_torchvision(path: Path) -> Loaded:
    """torchvision's; the auxiliary classifier of its file isn't read."""
    state = read_state_dict(path)
    backbone = _inception()
    classifier = _classifier(backbone, 1000)
    places = [
        *_torch_places(backbone),
        Place(classifier.kernel, "fc.weight", MATRIX_AXES),
        Place(classifier.bias, "fc.bias"),
    ]
    assign_tensors(places, state, path, "Inception v3 of torchvision")
    return backbone, classifier


def load_inception_keras(path: Path) -> Loaded:
    """Keras' own, with its classifier if that is in the file."""
    has_classifier = _has_classifier(path)
    backbone = _inception(pools_count_padding=False)
    classifier = _classifier(backbone, 1000) if has_classifier else None
    copy_keras_weights(path, backbone, classifier)
    return backbone, classifier


def load_inception_slim_cub(path: Path) -> Loaded:
    """StackGAN's, fine-tuned to 50 kinds of birds: 51 logits, of which the background's is dropped.

    Variables stand under the names of `inception.slim` of 2016, which StackGAN's code uses, or
    under those of its successor TF-Slim. Of a variable and its moving average the average is
    taken, as StackGAN does.
    """
    reader = _open_checkpoint(path)
    stored = reader.get_variable_to_shape_map()
    is_new = any(name.startswith("InceptionV3/") for name in stored)
    scopes = tf_slim_scopes() if is_new else old_slim_scopes()
    top = "InceptionV3/Logits/Conv2d_1c_1x1" if is_new else "logits/logits"
    backbone = _inception(pools_count_padding=False)
    all_classes = _classifier(backbone, 51)
    places = [
        *_tensorflow_places(backbone, scopes, "weights", "BatchNorm"),
        Place(all_classes.kernel, f"{top}/weights"),
        Place(all_classes.bias, f"{top}/biases"),
    ]
    tensors = {}
    for _, name, _ in places:
        source = name + _SHADOW if name + _SHADOW in stored else name
        if source in stored:
            tensors[name] = _read_variable(reader, source, path)
    if is_new and tensors.get(f"{top}/weights", np.empty(0)).shape[:2] == (1, 1):
        # TF-Slim's classifier is a 1x1 convolution.
        tensors[f"{top}/weights"] = tensors[f"{top}/weights"][0, 0]
    assign_tensors(places, tensors, path, "Inception v3 of StackGAN's birds")
    classifier = _classifier(backbone, 50)
    classifier.set_weights([weights[..., 1:] for weights in all_classes.get_weights()])
    return backbone, classifier


def load_efficientnet_lite0(path: Path) -> Loaded:
    """The PyTorch port's, with its classifier."""
    backbone = EfficientNetLite0Backbone(dtype="float32")
    backbone.build((None, backbone.INPUT_SIDE, backbone.INPUT_SIDE, 3))
    classifier = _classifier(backbone, 1000)
    read_efficientnet_weights(path, backbone, classifier)
    return backbone, classifier


def _inception(**layout: bool) -> InceptionV3Backbone:
    backbone = InceptionV3Backbone(**layout, dtype="float32")
    backbone.build()
    return backbone


def _classifier(backbone: Backbone, classes: int, use_bias: bool = True) -> keras.layers.Dense:
    layer = keras.layers.Dense(classes, use_bias=use_bias, dtype="float32", name="classifier")
    layer.build((None, backbone.POOLED_CHANNELS))
    return layer


def _torch_places(backbone: InceptionV3Backbone) -> list[Place]:
    return [
        place
        for name, unit in backbone.conv_units.items()
        for place in (
            Place(unit.conv.kernel, f"{name}.conv.weight", KERNEL_AXES),
            *batch_norm_places(unit.bn, f"{name}.bn"),
        )
    ]


def _tensorflow_places(
    backbone: InceptionV3Backbone, scopes: dict[str, str], kernel: str, norm: str
) -> list[Place]:
    """Without gammas: TensorFlow's networks have none, and ours stay 1."""
    return [
        place
        for name, unit in backbone.conv_units.items()
        for place in (
            Place(unit.conv.kernel, f"{scopes[name]}/{kernel}"),
            Place(unit.bn.beta, f"{scopes[name]}/{norm}/beta"),
            Place(unit.bn.moving_mean, f"{scopes[name]}/{norm}/moving_mean"),
            Place(unit.bn.moving_variance, f"{scopes[name]}/{norm}/moving_variance"),
        )
    ]


def _open_checkpoint(path: Path):
    try:
        return tf.train.load_checkpoint(str(checkpoint_prefix(path)))
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise UserError(f"{path}: is no checkpoint: {_one_line(error)}") from error


def _read_variable(reader, name: str, path: Path) -> np.ndarray:
    try:
        return reader.get_tensor(name)
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise UserError(f"{path}: is damaged at {name}: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _has_classifier(path: Path) -> bool:
    """Whether a Keras file has a layer of classes: `predictions` of old, `dense` by its kind."""
    try:
        with h5py.File(path) as file:
            found = file.visit(lambda name: "predictions" in name or "dense" in name or None)
    except OSError as error:
        raise UserError(f"{path}: is no HDF5 file, or is cut off.") from error
    return bool(found)
