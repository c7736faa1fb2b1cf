"""Inception v3: the image backbone of DAMSM, in torchvision's layout, and its sisters.

The network is written as tables. A *block* is a tuple of branches whose outputs are joined along
the channels; a *branch* is a tuple of steps run one after the other; a *step* is a `Conv`, one of
the two poolings, or a nested tuple of convolutions that all read the same input and are joined.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import keras
import tensorflow as tf
from keras import ops

INPUT_SIDE = 299
REGION_CHANNELS = 768
POOLED_CHANNELS = 2048

MAX_POOL = "max_pool"  # 3x3, stride 2, no padding
AVERAGE_POOL = "average_pool"  # 3x3, stride 1, of the same side


class Conv(NamedTuple):
    """One convolution with its batch norm and ReLU; `name` is that of PyTorch's module."""

    name: str
    filters: int
    kernel: tuple[int, int] = (1, 1)
    strides: int = 1
    padding: str = "same"


Step = Conv | str | tuple[Conv, ...]
Branch = tuple[Step, ...]
Block = tuple[Branch, ...]


def _halving(name: str, filters: int) -> Conv:
    return Conv(name, filters, (3, 3), strides=2, padding="valid")


def _double_3x3(last: Conv) -> Branch:
    return (Conv("branch3x3dbl_1", 64), Conv("branch3x3dbl_2", 96, (3, 3)), last)


def _fine_block(pool_filters: int) -> Block:
    """The blocks at 35x35."""
    return (
        (Conv("branch1x1", 64),),
        (Conv("branch5x5_1", 48), Conv("branch5x5_2", 64, (5, 5))),
        _double_3x3(Conv("branch3x3dbl_3", 96, (3, 3))),
        (AVERAGE_POOL, Conv("branch_pool", pool_filters)),
    )


def _middle_block(narrow: int) -> Block:
    """The blocks at 17x17: 7x7 convolutions split into rows and columns."""
    return (
        (Conv("branch1x1", 192),),
        (
            Conv("branch7x7_1", narrow),
            Conv("branch7x7_2", narrow, (1, 7)),
            Conv("branch7x7_3", 192, (7, 1)),
        ),
        (
            Conv("branch7x7dbl_1", narrow),
            Conv("branch7x7dbl_2", narrow, (7, 1)),
            Conv("branch7x7dbl_3", narrow, (1, 7)),
            Conv("branch7x7dbl_4", narrow, (7, 1)),
            Conv("branch7x7dbl_5", 192, (1, 7)),
        ),
        (AVERAGE_POOL, Conv("branch_pool", 192)),
    )


def _coarse_block() -> Block:
    """The blocks at 8x8: two branches end in a fork of a row and a column convolution."""
    return (
        (Conv("branch1x1", 320),),
        (
            Conv("branch3x3_1", 384),
            (Conv("branch3x3_2a", 384, (1, 3)), Conv("branch3x3_2b", 384, (3, 1))),
        ),
        (
            Conv("branch3x3dbl_1", 448),
            Conv("branch3x3dbl_2", 384, (3, 3)),
            (Conv("branch3x3dbl_3a", 384, (1, 3)), Conv("branch3x3dbl_3b", 384, (3, 1))),
        ),
        (AVERAGE_POOL, Conv("branch_pool", 192)),
    )


# By the prefix that PyTorch gives to the names of a block's convolutions; the stem has none.
BLOCKS: dict[str, Block] = {
    "": (
        (
            _halving("Conv2d_1a_3x3", 32),
            Conv("Conv2d_2a_3x3", 32, (3, 3), padding="valid"),
            Conv("Conv2d_2b_3x3", 64, (3, 3)),
            MAX_POOL,
            Conv("Conv2d_3b_1x1", 80),
            Conv("Conv2d_4a_3x3", 192, (3, 3), padding="valid"),
            MAX_POOL,
        ),
    ),
    "Mixed_5b.": _fine_block(pool_filters=32),
    "Mixed_5c.": _fine_block(pool_filters=64),
    "Mixed_5d.": _fine_block(pool_filters=64),
    "Mixed_6a.": (
        (_halving("branch3x3", 384),),
        _double_3x3(_halving("branch3x3dbl_3", 96)),
        (MAX_POOL,),
    ),
    "Mixed_6b.": _middle_block(narrow=128),
    "Mixed_6c.": _middle_block(narrow=160),
    "Mixed_6d.": _middle_block(narrow=160),
    "Mixed_6e.": _middle_block(narrow=192),
    "Mixed_7a.": (
        (Conv("branch3x3_1", 192), _halving("branch3x3_2", 320)),
        (
            Conv("branch7x7x3_1", 192),
            Conv("branch7x7x3_2", 192, (1, 7)),
            Conv("branch7x7x3_3", 192, (7, 1)),
            _halving("branch7x7x3_4", 192),
        ),
        (MAX_POOL,),
    ),
    "Mixed_7b.": _coarse_block(),
    "Mixed_7c.": _coarse_block(),
}


def average_pool_counting_padding(x: tf.Tensor) -> tf.Tensor:
    """Average over 3x3 windows of the zero-padded map; a corner divides by 9, not by 4.

    Inputs:  x: float [B, side, side, C].
    Returns: float [B, side, side, C].
    """
    padded = ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return ops.average_pool(padded, 3, 1, padding="valid", data_format="channels_last")


class _ConvNormReLU(keras.layers.Layer):
    """A convolution without bias, batch norm and ReLU: the only unit with weights."""

    def __init__(self, row: Conv, in_channels: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.in_channels = in_channels
        self.conv = keras.layers.Conv2D(
            row.filters,
            row.kernel,
            strides=row.strides,
            padding=row.padding,
            use_bias=False,
            dtype=self.dtype_policy,
            name="conv",
        )
        self.bn = keras.layers.BatchNormalization(
            momentum=0.9, epsilon=1e-3, dtype=self.dtype_policy, name="bn"
        )

    def build(self, input_shape: tuple | None = None) -> None:
        self.conv.build((None, None, None, self.in_channels))
        self.bn.build((None, None, None, self.conv.filters))

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        return ops.relu(self.bn(self.conv(x), training=training))


@keras.saving.register_keras_serializable(package="dmgan_tf")
class InceptionV3Backbone(keras.Model):
    """Inception v3 without its classifier: a 17x17 feature map and a pooled vector.

    The layout is by default torchvision's (batch norm eps 1e-3, average pools that count the
    padding), as the published DAMSM weights were made with it. TensorFlow's own networks don't
    count the padding, and that of 2015, which FID looks through, ends in a block with a max pool.
    Its normal use is with frozen weights in inference mode.

    Args:    pools_count_padding: bool, whether a corner's average of 4 pixels is divided by 9.
             last_block_takes_maximum: bool, whether Mixed_7c pools by maximum, not by average.
    Inputs:  images: float [B, 299, 299, 3] in [-1, 1].
    Returns: (mixed_6e, pooled_7c): float [B, 17, 17, 768] and float [B, 2048].
    Raises:  ValueError: when the images have another shape.

    PyTorch's `Mixed_5b.branch1x1.conv.weight` is `conv_units["Mixed_5b.branch1x1"].conv.kernel`
    here, and likewise for `bn`; the layer itself is the attribute `Mixed_5b_branch1x1`.
    """

    INPUT_SIDE = INPUT_SIDE
    REGION_CHANNELS, POOLED_CHANNELS = REGION_CHANNELS, POOLED_CHANNELS

    def __init__(
        self, pools_count_padding: bool = True, last_block_takes_maximum: bool = False, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        self.pools_count_padding = pools_count_padding
        self.last_block_takes_maximum = last_block_takes_maximum
        for name, row, in_channels in convolutions():
            attribute = _attribute(name)
            unit = _ConvNormReLU(row, in_channels, dtype=self.dtype_policy, name=attribute)
            # An attribute each, as tf.train.Checkpoint overlooks layers in lists and dicts.
            setattr(self, attribute, unit)

    @property
    def conv_units(self) -> dict[str, _ConvNormReLU]:
        """The unit of convolution and batch norm by the name of PyTorch's module."""
        return {name: getattr(self, _attribute(name)) for name, *_ in convolutions()}

    def build(self, input_shape: tuple | None = None) -> None:
        for unit in self.conv_units.values():
            if not unit.built:
                unit.build()

    def call(self, images: tf.Tensor, training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        expected = (INPUT_SIDE, INPUT_SIDE, 3)
        if tuple(images.shape[1:]) != expected:
            raise ValueError(
                f"`images` must have the shape [B, 299, 299, 3]. Received: {tuple(images.shape)}."
            )
        x = images
        for prefix, block in BLOCKS.items():
            x = self._run_block(prefix, block, x, training)
            if prefix == "Mixed_6e.":
                mixed_6e = x  # [B, 17, 17, 768]
        return mixed_6e, ops.mean(x, axis=(1, 2))  # [B, 8, 8, 2048] -> [B, 2048]

    def _run_block(self, prefix: str, block: Block, x: tf.Tensor, training: bool) -> tf.Tensor:
        outputs = []
        for branch in block:
            y = x
            for step in branch:
                y = self._run_step(prefix, step, y, training)
            outputs.append(y)
        return ops.concatenate(outputs, axis=-1) if len(outputs) > 1 else outputs[0]

    def _run_step(self, prefix: str, step: Step, x: tf.Tensor, training: bool) -> tf.Tensor:
        if step == MAX_POOL:
            return ops.max_pool(x, 3, 2, padding="valid", data_format="channels_last")
        if step == AVERAGE_POOL:
            return self._pool_of_same_side(prefix, x)
        if isinstance(step, Conv):
            return getattr(self, _attribute(prefix + step.name))(x, training=training)
        fork = [self._run_step(prefix, row, x, training) for row in step]
        return ops.concatenate(fork, axis=-1)

    def _pool_of_same_side(self, prefix: str, x: tf.Tensor) -> tf.Tensor:
        if prefix == "Mixed_7c." and self.last_block_takes_maximum:
            return ops.max_pool(x, 3, 1, padding="same", data_format="channels_last")
        if self.pools_count_padding:
            return average_pool_counting_padding(x)
        return ops.average_pool(x, 3, 1, padding="same", data_format="channels_last")


def _attribute(module_name: str) -> str:
    return module_name.replace(".", "_")


def convolutions() -> Iterator[tuple[str, Conv, int]]:
    """Yield (PyTorch's name, table row, input channels) of every convolution, in order."""
    channels = 3
    for prefix, block in BLOCKS.items():
        joined_channels = 0
        for branch in block:
            branch_channels = channels
            for step in branch:
                if isinstance(step, str):  # pools keep the channels
                    continue
                # A Conv is a tuple as well: only a nested tuple is a fork.
                rows = (step,) if isinstance(step, Conv) else step
                for row in rows:
                    yield prefix + row.name, row, branch_channels
                branch_channels = sum(row.filters for row in rows)
            joined_channels += branch_channels
        channels = joined_channels
