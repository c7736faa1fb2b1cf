"""ImageNet weights for the Inception v3 backbone, from the file that Keras publishes."""

import re
from pathlib import Path

import keras

from dmgan_tf.errors import UserError
from dmgan_tf.models.inception_v3 import InceptionV3Backbone

_SOURCE = (
    "https://storage.googleapis.com/tensorflow/keras-applications/inception_v3/"
    "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5"
)


def load_imagenet_weights(backbone: InceptionV3Backbone, path: str | None) -> None:
    """Copies the weights of Keras' own Inception v3 into an image encoder's backbone.

    Args: path: the `…_notop.h5` file.
    Raises: UserError: when the file is missing or holds something else.
    """
    if path is None or not Path(path).is_file():
        raise UserError(
            "`image_encoder.weights` must name Keras' ImageNet weights of Inception v3, to be had "
            f"from {_SOURCE}; or give trained encoders as `damsm.directory`. "
            "`image_encoder.kind: compact` needs no weights (64 to 128 px), `efficientnet_lite2` "
            f"and `efficientnet_lite0` smaller ones. Received: {path}."
        )
    copy_keras_weights(Path(path), backbone)


def copy_keras_weights(
    path: Path, backbone: InceptionV3Backbone, classifier: keras.layers.Dense | None = None
) -> None:
    """Copies the weights of Keras' own Inception v3, unit by unit, and its classifier's if wanted.

    Both make their convolutions in one order. Keras' batch norms have no scale: it stays 1.

    Raises: UserError: when the file is damaged, or holds something else.
    """
    with_top = classifier is not None
    source = keras.applications.InceptionV3(include_top=with_top, weights=None)
    try:
        source.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        top = "with" if with_top else "without"
        raise UserError(f"{path}: does not hold Inception v3 {top} its top: {reason}") from error
    convs = _in_order_of_making(source, keras.layers.Conv2D)
    norms = _in_order_of_making(source, keras.layers.BatchNormalization)
    for unit, conv, norm in zip(backbone.conv_units.values(), convs, norms, strict=True):
        unit.conv.kernel.assign(conv.kernel)
        unit.bn.beta.assign(norm.beta)
        unit.bn.moving_mean.assign(norm.moving_mean)
        unit.bn.moving_variance.assign(norm.moving_variance)
    if classifier is not None:
        classifier.set_weights(source.layers[-1].get_weights())


def _in_order_of_making(model, layer_class):
    """Layers by the number at the end of their automatic names; `model.layers` goes by depth."""
    layers = [layer for layer in model.layers if isinstance(layer, layer_class)]
    return sorted(layers, key=lambda layer: int((re.findall(r"_(\d+)$", layer.name) or [0])[0]))
