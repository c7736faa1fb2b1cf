"""The Keras layers; importing them registers them for `keras.models.load_model`."""

from dmgan_tf.layers.augmentation import Augmentation, augment
from dmgan_tf.layers.batch_deviation import BatchDeviation
from dmgan_tf.layers.batch_norm import BatchNorm
from dmgan_tf.layers.conditioning_augmentation import ConditioningAugmentation
from dmgan_tf.layers.conv_blocks import (
    DownsampleBlock,
    GatedLinearUnit,
    JointBlock,
    ResidualBlock,
    UpsampleBlock,
)
from dmgan_tf.layers.dynamic_memory import DynamicMemory, MemoryResponse
from dmgan_tf.layers.lstm_cell import LSTMCell
from dmgan_tf.layers.memory_steps import MemoryReader, MemoryWriter, ResponseGate
from dmgan_tf.layers.spectral_norm import SpectralNormConv2D

__all__ = [
    "Augmentation",
    "BatchDeviation",
    "BatchNorm",
    "ConditioningAugmentation",
    "DownsampleBlock",
    "DynamicMemory",
    "GatedLinearUnit",
    "JointBlock",
    "LSTMCell",
    "MemoryReader",
    "MemoryResponse",
    "MemoryWriter",
    "ResidualBlock",
    "ResponseGate",
    "SpectralNormConv2D",
    "UpsampleBlock",
    "augment",
]
