"""One discriminator per picture size, each with an unconditional and a conditional head."""

import math
from typing import NamedTuple

import keras
import tensorflow as tf

from dmgan_tf.layers.batch_deviation import BatchDeviation
from dmgan_tf.layers.conv_blocks import DownsampleBlock, JointBlock

_FINAL_SIDE = 4
_FINAL_MULTIPLE = 8  # the features at 4×4 have 8 × base_width channels at every size


def _widths(side, base_width):
    """Channels after each halving of `side`, then after each 3×3 block that narrows them again.

    From side 64 on they start at the base width and double; smaller pictures start wider, so
    that all sizes end alike: 32 → (2, 4, 8), 64 → (1, 2, 4, 8), 128 → (1, …, 16) and (8) times it.
    """
    halvings = int(math.log2(side // _FINAL_SIDE))
    first = base_width * _FINAL_MULTIPLE // 2 ** (min(halvings, 4) - 1)
    down = [first * 2**i for i in range(halvings)]
    narrow, width = [], down[-1]
    while width > _FINAL_MULTIPLE * base_width:
        width //= 2
        narrow.append(width)
    return down, narrow


class DiscriminatorLogits(NamedTuple):
    """Logits of the two heads; float32, > 0 means "real"."""

    unconditional_logits: tf.Tensor  # [B]
    conditional_logits: tf.Tensor  # [pairs]


@keras.saving.register_keras_serializable("dmgan_tf")
class Discriminator(keras.Model):
    """Judges pictures of one size: are they real, and do they show what the sentence says.

    4×4 convolutions of stride 2 with spectral norm down to 4×4; each head ends in a 4×4
    convolution to one logit without spectral norm, as in the authors' code. No batch norm, so
    real and fake pictures can share a pass.

    Args:
        side: int, a power of two from 8 on, side of the pictures.
        base_width: int > 0, channels after the first halving at side 64 (32 in the paper).
        channels: int > 0, of what it judges: 3 for pictures, more for maps of features.
        batch_deviation: bool; the unconditional logit wᵀf + b gains vᵀσ(f), with σ the deviations
            over the batch at the 16 places of the last map f (`BatchDeviation`); v begins at 0.
    Inputs: images: float [B, side, side, channels]; sentence_feature: float [P, N_w];
        image_index: int32 [P] or None, which picture each sentence is held against (None: P = B,
        one by one). groups: int, `BatchDeviation`'s; None: without it.
    Returns: DiscriminatorLogits.
    Raises: ValueError: when `side` is no power of two from 8 on.
    """

    def __init__(self, side, base_width=32, channels=3, batch_deviation=False, **kwargs):
        super().__init__(**{"name": f"discriminator_{side}"} | kwargs)
        if side < 8 or side & (side - 1):
            raise ValueError(f"`side` must be a power of two from 8 on. Received: side={side}.")
        self.side = side
        self.base_width = base_width
        self.channels = channels
        policy = self.dtype_policy
        down, narrow = _widths(side, base_width)
        # A tuple, here and in the generator: Keras hides lists of layers from tf.train.Checkpoint.
        self.feature_blocks = tuple(
            DownsampleBlock(width, dtype=policy, name=f"down_{i}") for i, width in enumerate(down)
        ) + tuple(
            DownsampleBlock(width, 3, 1, dtype=policy, name=f"narrow_{i}")
            for i, width in enumerate(narrow)
        )
        self.feature_channels = _FINAL_MULTIPLE * base_width
        self.joint_block = JointBlock(self.feature_channels, dtype=policy, name="joint")
        # A 4×4 convolution over a 4×4 map is a dense layer over the flattened map.
        head = {"kernel_initializer": keras.initializers.Orthogonal(), "dtype": "float32"}
        self.unconditional_head = keras.layers.Dense(1, name="unconditional_head", **head)
        self.conditional_head = keras.layers.Dense(1, name="conditional_head", **head)
        self.batch_deviation = None
        if batch_deviation:
            self.batch_deviation = BatchDeviation(dtype="float32", name="batch_deviation")
            self.deviation_head = keras.layers.Dense(
                1,
                use_bias=False,
                kernel_initializer="zeros",
                dtype="float32",
                name="deviation_head",
            )

    def build(self, images_shape, sentence_feature_shape, image_index_shape=None):
        shape = (None, self.side, self.side, self.channels)
        for block in self.feature_blocks:
            block.build(shape)
            shape = block.compute_output_shape(shape)
        self.joint_block.build(shape, sentence_feature_shape)
        for head in (self.unconditional_head, self.conditional_head):
            head.build((None, _FINAL_SIDE**2 * self.feature_channels))
        if self.batch_deviation:
            self.deviation_head.build((None, _FINAL_SIDE**2))
        self.built = True

    def call(self, images, sentence_feature, image_index=None, groups=1, training=False):
        features = images
        for block in self.feature_blocks:
            features = block(features, training=training)  # … [B, 4, 4, C]
        joint = self.joint_block(features, sentence_feature, image_index, training=training)
        unconditional = self._logits(self.unconditional_head, features)
        if self.batch_deviation and groups:
            unconditional += self.deviation_head(self.batch_deviation(features, groups=groups))[
                :, 0
            ]
        return DiscriminatorLogits(unconditional, self._logits(self.conditional_head, joint))

    def _logits(self, head, features):
        return head(tf.reshape(features, [-1, _FINAL_SIDE**2 * self.feature_channels]))[:, 0]

    def get_config(self):
        return super().get_config() | {
            "side": self.side,
            "base_width": self.base_width,
            "channels": self.channels,
            "batch_deviation": self.batch_deviation is not None,
        }
