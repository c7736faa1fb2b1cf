"""The shared check on every public layer and model, and a search for any that lacks it."""

import importlib
import inspect
import pkgutil
from typing import NamedTuple

import keras
import numpy as np
import pytest
from keras.src.testing import TestCase
from layer_checks import check_layer

import dmgan_tf.layers
import dmgan_tf.models
from dmgan_tf.layers.batch_deviation import BatchDeviation
from dmgan_tf.layers.batch_norm import BatchNorm
from dmgan_tf.layers.caption_prior import CaptionPrior
from dmgan_tf.layers.conditioning_augmentation import ConditioningAugmentation
from dmgan_tf.layers.conv_blocks import (
    DownsampleBlock,
    GatedLinearUnit,
    JointBlock,
    ResidualBlock,
    UpsampleBlock,
)
from dmgan_tf.layers.dynamic_memory import DynamicMemory
from dmgan_tf.layers.lstm_cell import LSTMCell
from dmgan_tf.layers.memory_steps import MemoryReader, MemoryWriter, ResponseGate
from dmgan_tf.layers.spectral_norm import SpectralNormConv2D
from dmgan_tf.models.discriminator import Discriminator
from dmgan_tf.models.efficientnet_lite import ConvUnit, InvertedResidual
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.generator_stages import InitialStage, RefinementStage
from dmgan_tf.models.image_encoder import CompactEncoder
from dmgan_tf.models.text_encoder import TextEncoder

# The full Inception v3 takes a minute under XLA; its own tests cover config, files and gradients.
CHECKED_ELSEWHERE = {
    *("InceptionV3Backbone", "InceptionV3Encoder", "FrozenEncoder"),
    *("EfficientNetLiteBackbone", "EfficientNetLite0Backbone", "EfficientNetLite2Backbone"),
    *("EfficientNetLite0Encoder", "EfficientNetLite2Encoder"),
}


class Case(NamedTuple):
    cls: type
    kwargs: dict
    inputs: list
    trainable_weights: int
    non_trainable_weights: int = 0
    options: dict | None = None


def normal(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype("float32")


def mask(*lengths, words=5):
    return np.arange(words)[None, :] < np.array(lengths)[:, None]


WORDS, PIXELS, MASK = normal(3, 5, 6), normal(3, 4, 4, 4), mask(5, 2, 3)
MEMORY = {"feature_channels": 4, "memory_channels": 7}
STAGE = MEMORY | {"residual_blocks": 1}
GENERATOR = MEMORY | {
    "residual_blocks": 0,
    "condition_size": 5,
    "noise_size": 3,
    "first_side": 8,
    "stages": 2,
}
# Gradients of keys nearly cancel behind a batch norm, so order of summation shows.
# Attention between moved weights: 0.18 where the processor itself computes in bfloat16.
LONG_CHAIN = {"xla_tolerance": 1e-4, "mixed_tolerance": 0.25}
LOGITS_AT_BFLOAT16 = {"mixed_tolerance": 0.1}  # they are small differences of large sums

CASES = [
    Case(BatchNorm, {"momentum": 0.8}, [normal(4, 3, 3, 2)], 2, 2),
    Case(BatchNorm, {}, [normal(6, 5)], 2, 2),
    Case(BatchNorm, {"gated": True}, [PIXELS], 2, 2),
    Case(SpectralNormConv2D, {"filters": 5, "kernel_size": 3}, [PIXELS], 2, 1),
    Case(GatedLinearUnit, {}, [PIXELS], 0),
    Case(UpsampleBlock, {"filters": 3}, [PIXELS], 3, 2),
    Case(UpsampleBlock, {"filters": 3, "padding": "reflect"}, [PIXELS], 3, 2),
    Case(ResidualBlock, {}, [PIXELS], 6, 4),
    Case(ResidualBlock, {"padding": "reflect"}, [PIXELS], 6, 4),
    Case(ResidualBlock, {"half_input": True}, [PIXELS], 6, 4),
    Case(DownsampleBlock, {"filters": 5}, [PIXELS], 2, 1),
    Case(DownsampleBlock, {"filters": 5, "kernel_size": 3, "strides": 1}, [PIXELS], 2, 1),
    Case(JointBlock, {"filters": 5}, [PIXELS, normal(3, 6)], 2, 1),
    Case(BatchDeviation, {}, [PIXELS], 0),
    Case(CaptionPrior, {"size": 2}, [normal(3, 6), normal(3, 4)], 0, 10),
    Case(ConditioningAugmentation, {"condition_size": 4}, [normal(3, 6), normal(3, 4)], 2),
    Case(MemoryWriter, {"memory_channels": 7}, [WORDS, PIXELS], 6),
    Case(MemoryWriter, {"memory_channels": 7, "gated": False}, [WORDS, PIXELS], 2),
    Case(MemoryReader, {"feature_channels": 4}, [normal(3, 5, 7), PIXELS, MASK], 4),
    Case(
        MemoryReader,
        {"feature_channels": 4, "separate_values": False},
        [WORDS, PIXELS, MASK],
        1,
    ),
    Case(ResponseGate, {}, [PIXELS, normal(3, 4, 4, 4) + 1], 2),
    Case(DynamicMemory, MEMORY, [WORDS, PIXELS, MASK], 12),
    Case(
        DynamicMemory,
        MEMORY | {"memory": False, "writing_gate": False, "response_gate": False},
        [WORDS, PIXELS, MASK],
        1,
    ),
    Case(LSTMCell, {"units": 4}, [normal(3, 6), [normal(3, 4), normal(3, 4) * 2]], 4),
    Case(
        InitialStage,
        {"feature_channels": 2, "first_side": 8},
        [normal(5, 6), normal(5, 3)],
        6,
        4,
    ),
    Case(RefinementStage, STAGE, [WORDS, PIXELS, MASK], 21, 6, LONG_CHAIN),
    Case(
        Generator,
        GENERATOR,
        [WORDS, MASK, normal(3, 6), normal(3, 3), normal(3, 5)],
        25,
        6,
        LONG_CHAIN,
    ),
    Case(
        Generator,
        GENERATOR | {"padding": "reflect", "prior_size": 2},
        [WORDS, MASK, normal(3, 6), normal(3, 3), normal(3, 5)],
        25,
        16,
        LONG_CHAIN,
    ),
    Case(
        Discriminator,
        {"side": 8, "base_width": 2},
        [normal(3, 8, 8, 3), normal(3, 6)],
        8,
        2,
        LOGITS_AT_BFLOAT16,
    ),
    Case(
        Discriminator,
        {"side": 8, "base_width": 2, "channels": 5, "batch_deviation": True},
        [normal(3, 8, 8, 5), normal(3, 6)],
        9,
        2,
        LOGITS_AT_BFLOAT16,
    ),
    Case(
        TextEncoder,
        {"vocabulary_size": 9, "embedding_size": 3, "feature_size": 4, "dropout": 0.0},
        [np.array([[1, 8, 3, 2], [5, 4, 0, 0]], "int32"), np.array([4, 2], "int32")],
        9,
    ),
    Case(ConvUnit, {"filters": 5, "kernel": 3, "stride": 2}, [normal(3, 6, 6, 4)], 3, 2),
    Case(
        InvertedResidual,
        {"input_channels": 4, "channels": 4, "kernel": 3, "stride": 1, "expansion": 2},
        [normal(3, 6, 6, 4)],
        9,
        6,
    ),
    Case(
        CompactEncoder,
        {"feature_size": 3, "widths": [2, 2, 3, 3, 4], "input_side": 16},
        [normal(3, 16, 16, 3)],
        18,
        10,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.cls.__name__)
def test_layer_passes_the_shared_check(case, tmp_path):
    check_layer(
        case.cls,
        case.kwargs,
        case.inputs,
        folder=tmp_path,
        trainable_weights=case.trainable_weights,
        non_trainable_weights=case.non_trainable_weights,
        **(case.options or {}),
    )


def public_layers():
    """Names of the public Layer and Model classes that the packages define."""
    names = set()
    for package in (dmgan_tf.layers, dmgan_tf.models):
        for info in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            module = importlib.import_module(info.name)
            for name, value in vars(module).items():
                is_layer = inspect.isclass(value) and issubclass(value, keras.layers.Layer)
                if is_layer and value.__module__ == info.name and not name.startswith("_"):
                    names.add(name)
    return names


def test_every_public_layer_is_checked():
    assert public_layers() == {case.cls.__name__ for case in CASES} | CHECKED_ELSEWHERE


# Keras' own check of a layer: config, symbolic call, gradient step, policies. It knows one input.
KERAS_CASES = [
    Case(BatchNorm, {}, [(4, 3, 3, 2)], 2, 2),
    Case(SpectralNormConv2D, {"filters": 5, "kernel_size": 3}, [(3, 4, 4, 4)], 2, 1),
    Case(GatedLinearUnit, {}, [(3, 4, 4, 4)], 0),
    Case(UpsampleBlock, {"filters": 3}, [(3, 4, 4, 4)], 3, 2),
    Case(ResidualBlock, {}, [(3, 4, 4, 4)], 6, 4),
    Case(DownsampleBlock, {"filters": 5}, [(3, 4, 4, 4)], 2, 1),
    # Its output is float32 under every policy, as its docstring says.
    Case(BatchDeviation, {}, [(3, 4, 4, 4)], 0, options={"run_mixed_precision_check": False}),
    Case(ConvUnit, {"filters": 5, "kernel": 3, "stride": 2}, [(3, 6, 6, 4)], 3, 2),
    Case(
        InvertedResidual,
        {"input_channels": 4, "channels": 4, "kernel": 3, "stride": 1, "expansion": 2},
        [(3, 6, 6, 4)],
        9,
        6,
    ),
]


@pytest.mark.parametrize("case", KERAS_CASES, ids=lambda case: case.cls.__name__)
def test_layer_passes_the_check_of_keras(case):
    TestCase().run_layer_test(
        case.cls,
        init_kwargs=case.kwargs,
        input_shape=case.inputs[0],
        expected_num_trainable_weights=case.trainable_weights,
        expected_num_non_trainable_weights=case.non_trainable_weights,
        supports_masking=False,
        **(case.options or {}),
    )
