"""EfficientNet-Lite: image backbones that a CPU can afford.

Inverted residual blocks (MobileNetV2) in EfficientNet's proportions, without squeeze-and-excitation
and with ReLU6 (Tan and Le, arXiv:1905.11946; the Lite variants of 2020)."""

from __future__ import annotations

from typing import NamedTuple

import keras
import tensorflow as tf

POOLED_CHANNELS = 1280

_REGION_STAGES = 5
_STEM_CHANNELS = 32
_EPSILON = 1e-3


class Stage(NamedTuple):
    """Blocks of one width; the first one takes the stride."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


@keras.saving.register_keras_serializable("dmgan_tf")
class ConvUnit(keras.layers.Layer):
    """Convolution without bias, batch norm with fixed statistics, and ReLU6 where wanted.

    Args: filters: int, or None for a depthwise convolution. kernel, stride: ints. activated: bool.
    Inputs: x: float [B, side, side, C].
    Returns: float [B, ⌈side / stride⌉, ⌈side / stride⌉, filters or C].
    """

    def __init__(self, filters, kernel=1, stride=1, activated=True, **kwargs):
        super().__init__(**kwargs)
        self._arguments = {
            "filters": filters,
            "kernel": kernel,
            "stride": stride,
            "activated": activated,
        }
        settings = {"strides": stride, "padding": "same", "use_bias": False}
        settings |= {"dtype": self.dtype_policy, "name": "conv"}
        self.conv = (
            keras.layers.Conv2D(filters, kernel, **settings)
            if filters
            else keras.layers.DepthwiseConv2D(kernel, **settings)
        )
        self.norm = keras.layers.BatchNormalization(
            epsilon=_EPSILON, dtype=self.dtype_policy, name="norm"
        )

    def build(self, input_shape):
        self.conv.build(input_shape)
        self.norm.build(self.compute_output_shape(input_shape))
        self.built = True

    def call(self, x):
        x = self.norm(self.conv(x), training=False)
        return tf.nn.relu6(x) if self._arguments["activated"] else x

    def compute_output_shape(self, input_shape):
        return self.conv.compute_output_shape(input_shape)

    def get_config(self):
        return super().get_config() | self._arguments


@keras.saving.register_keras_serializable("dmgan_tf")
class InvertedResidual(keras.layers.Layer):
    """Widen by a 1×1 convolution, filter each channel, narrow again; added to the input if it fits.

    Args: input_channels, channels, kernel, stride, expansion: ints; expansion 1 doesn't widen.
    Inputs: x: float [B, side, side, input_channels].
    Returns: float [B, ⌈side / stride⌉, ⌈side / stride⌉, channels].
    """

    def __init__(self, input_channels, channels, kernel, stride, expansion, **kwargs):
        super().__init__(**kwargs)
        self._arguments = {
            "input_channels": input_channels,
            "channels": channels,
            "kernel": kernel,
            "stride": stride,
            "expansion": expansion,
        }
        policy, wide = self.dtype_policy, input_channels * expansion
        self._adds = stride == 1 and input_channels == channels
        self.units = (
            *((ConvUnit(wide, dtype=policy, name="expand"),) if expansion > 1 else ()),
            ConvUnit(None, kernel, stride, dtype=policy, name="depthwise"),
            ConvUnit(channels, activated=False, dtype=policy, name="project"),
        )

    def build(self, input_shape):
        shape = input_shape
        for unit in self.units:
            unit.build(shape)
            shape = unit.compute_output_shape(shape)
        self.built = True

    def call(self, x):
        y = x
        for unit in self.units:
            y = unit(y)
        return x + y if self._adds else y

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape
        stride = self._arguments["stride"]
        sides = (side and -(-side // stride) for side in (height, width))
        return (batch, *sides, self._arguments["channels"])

    def get_config(self):
        return super().get_config() | self._arguments


class EfficientNetLiteBackbone(keras.layers.Layer):
    """The network up to its pooled features, with fixed batch-norm statistics.

    The stem and the head are of one width in all variants; the class of each has its table.

    Inputs: x: float [B, side, side, 3] in [−1, 1]; ImageNet's weights learned at INPUT_SIDE.
    Returns: (map [B, ⌈side / 16⌉, ⌈side / 16⌉, REGION_CHANNELS] behind the fifth stage,
        pooled [B, 1280]).
    """

    NAME: str
    STAGES: tuple[Stage, ...]
    INPUT_SIDE: int
    REGION_CHANNELS: int
    POOLED_CHANNELS = POOLED_CHANNELS

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.stem = ConvUnit(_STEM_CHANNELS, 3, 2, dtype=policy, name="stem")
        inputs = (_STEM_CHANNELS, *(stage.channels for stage in self.STAGES))
        self.stages = tuple(
            tuple(
                InvertedResidual(
                    inputs[number] if i == 0 else stage.channels,
                    stage.channels,
                    stage.kernel,
                    stage.stride if i == 0 else 1,
                    stage.expansion,
                    dtype=policy,
                    name=f"stage_{number + 1}_block_{i}",
                )
                for i in range(stage.blocks)
            )
            for number, stage in enumerate(self.STAGES)
        )
        self.head = ConvUnit(POOLED_CHANNELS, dtype=policy, name="head")

    @property
    def blocks(self):
        """All blocks in their order."""
        return [block for stage in self.stages for block in stage]

    def build(self, input_shape):
        shape = input_shape
        for layer in (self.stem, *self.blocks, self.head):
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
        self.built = True

    def call(self, x, training=False):
        regions = self.maps(x)[-1]
        return regions, self.pooled(regions)

    def maps(self, x):
        """The map behind each of the first five stages, as in `map_shapes`."""
        x, maps = self.stem(x), []
        for layers in self.stages[:_REGION_STAGES]:
            for layer in layers:
                x = layer(x)
            maps.append(x)
        return tuple(maps)

    def pooled(self, regions):
        """The pooled features [B, 1280], from the map behind the fifth stage."""
        x = regions
        for layers in self.stages[_REGION_STAGES:]:
            for layer in layers:
                x = layer(x)
        return tf.reduce_mean(self.head(x), axis=[1, 2])

    @classmethod
    def map_shapes(cls, side):
        """(side, channels) of each of `maps`, of pictures of that side."""
        side, shapes = -(-side // 2), []  # the stem's stride
        for stage in cls.STAGES[:_REGION_STAGES]:
            side = -(-side // stage.stride)
            shapes.append((side, stage.channels))
        return tuple(shapes)

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape
        sides = (side and -(-side // 16) for side in (height, width))
        return (batch, *sides, self.REGION_CHANNELS), (batch, POOLED_CHANNELS)


@keras.saving.register_keras_serializable("dmgan_tf")
class EfficientNetLite0Backbone(EfficientNetLiteBackbone):
    """The smallest: of `feature_networks`, and of DAMSM where discriminators judge its maps."""

    NAME, INPUT_SIDE, REGION_CHANNELS = "EfficientNet-Lite0", 224, 112
    STAGES = (
        Stage(1, 3, 1, 1, 16),
        Stage(2, 3, 2, 6, 24),
        Stage(2, 5, 2, 6, 40),
        Stage(3, 3, 2, 6, 80),
        Stage(3, 5, 1, 6, REGION_CHANNELS),
        Stage(4, 5, 2, 6, 192),
        Stage(1, 3, 1, 6, 320),
    )


@keras.saving.register_keras_serializable("dmgan_tf")
class EfficientNetLite2Backbone(EfficientNetLiteBackbone):
    """1.1 times as wide and 1.2 times as deep as Lite0: DAMSM's."""

    NAME, INPUT_SIDE, REGION_CHANNELS = "EfficientNet-Lite2", 260, 120
    STAGES = (
        Stage(1, 3, 1, 1, 16),
        Stage(3, 3, 2, 6, 24),
        Stage(3, 5, 2, 6, 48),
        Stage(4, 3, 2, 6, 88),
        Stage(4, 5, 1, 6, REGION_CHANNELS),
        Stage(5, 5, 2, 6, 208),
        Stage(1, 3, 1, 6, 352),
    )
