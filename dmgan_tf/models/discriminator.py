"""One discriminator per picture size, each with an unconditional and a conditional head."""

import math
from typing import NamedTuple

import keras
import tensorflow as tf

from dmgan_tf.layers.conv_blocks import DownsampleBlock

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
    Inputs: images: float [B, side, side, 3] in [−1, 1]; sentence_feature: float [P, N_w];
        image_index: int32 [P] or None, which picture each sentence is held against (None: P = B,
        one by one).
    Returns: DiscriminatorLogits.
    Raises: ValueError: when `side` is no power of two from 8 on.
    """

    def __init__(self, side, base_width=32, **kwargs):
        super().__init__(**{"name": f"discriminator_{side}"} | kwargs)
        if side < 8 or side & (side - 1):
            raise ValueError(f"`side` must be a power of two from 8 on. Received: side={side}.")
        self.side = side
        self.base_width = base_width
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
        self.joint_block = DownsampleBlock(self.feature_channels, 3, 1, dtype=policy, name="joint")
        # A 4×4 convolution over a 4×4 map is a dense layer over the flattened map.
        head = {"kernel_initializer": keras.initializers.Orthogonal(), "dtype": "float32"}
        self.unconditional_head = keras.layers.Dense(1, name="unconditional_head", **head)
        self.conditional_head = keras.layers.Dense(1, name="conditional_head", **head)

    def build(self, images_shape, sentence_feature_shape, image_index_shape=None):
        shape = (None, self.side, self.side, 3)
        for block in self.feature_blocks:
            block.build(shape)
            shape = block.compute_output_shape(shape)
        self.joint_block.build((*shape[:-1], shape[-1] + sentence_feature_shape[-1]))
        for head in (self.unconditional_head, self.conditional_head):
            head.build((None, _FINAL_SIDE**2 * self.feature_channels))
        self.built = True

    def call(self, images, sentence_feature, image_index=None, training=False):
        features = images
        for block in self.feature_blocks:
            features = block(features, training=training)  # … [B, 4, 4, C]
        paired = features if image_index is None else tf.gather(features, image_index)
        sentence = tf.cast(sentence_feature, features.dtype)[:, tf.newaxis, tf.newaxis, :]
        sentence = tf.tile(sentence, [1, _FINAL_SIDE, _FINAL_SIDE, 1])
        joint = self.joint_block(tf.concat([paired, sentence], axis=-1), training=training)
        return DiscriminatorLogits(
            self._logits(self.unconditional_head, features),
            self._logits(self.conditional_head, joint),
        )

    def _logits(self, head, features):
        return head(tf.reshape(features, [-1, _FINAL_SIDE**2 * self.feature_channels]))[:, 0]

    def get_config(self):
        return super().get_config() | {"side": self.side, "base_width": self.base_width}
