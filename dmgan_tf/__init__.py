"""DM-GAN for TensorFlow: pictures from sentences with a dynamic memory (arXiv:1904.01310).

The names below are imported when they are used: `import dmgan_tf` alone imports no TensorFlow. From
then on `keras.models.load_model` knows the package's classes.
"""

import importlib
from typing import TYPE_CHECKING

from dmgan_tf.keras_files import register_classes as _register_classes

__version__ = "0.1.0"

if TYPE_CHECKING:  # what `_MODULES` says, for editors and type checkers
    from dmgan_tf.config import Config
    from dmgan_tf.config_file import load_config
    from dmgan_tf.data.picture_set import PictureSet
    from dmgan_tf.data.pipeline import PipelineOptions, training_dataset
    from dmgan_tf.data.vocabulary import Vocabulary
    from dmgan_tf.edge import EdgeModel
    from dmgan_tf.errors import UserError
    from dmgan_tf.inference.text_to_image import TextToImage
    from dmgan_tf.layers import (
        BatchDeviation,
        BatchNorm,
        ConditioningAugmentation,
        DownsampleBlock,
        DynamicMemory,
        GatedLinearUnit,
        JointBlock,
        LSTMCell,
        MemoryReader,
        MemoryWriter,
        ResidualBlock,
        ResponseGate,
        SpectralNormConv2D,
        UpsampleBlock,
    )
    from dmgan_tf.models import (
        CompactEncoder,
        Discriminator,
        EfficientNetLite0Encoder,
        EfficientNetLite2Encoder,
        Generator,
        InceptionV3Encoder,
        TextEncoder,
    )
    from dmgan_tf.serving.client import Client
    from dmgan_tf.training import DAMSMTrainer, DMGANTrainer

_MODULES = {
    "config": ("Config",),
    "config_file": ("load_config",),
    "data.picture_set": ("PictureSet",),
    "data.pipeline": ("PipelineOptions", "training_dataset"),
    "data.vocabulary": ("Vocabulary",),
    "edge": ("EdgeModel",),
    "errors": ("UserError",),
    "inference.text_to_image": ("TextToImage",),
    "layers": (
        "BatchDeviation",
        "BatchNorm",
        "ConditioningAugmentation",
        "DownsampleBlock",
        "DynamicMemory",
        "GatedLinearUnit",
        "JointBlock",
        "LSTMCell",
        "MemoryReader",
        "MemoryWriter",
        "ResidualBlock",
        "ResponseGate",
        "SpectralNormConv2D",
        "UpsampleBlock",
    ),
    "models": (
        "CompactEncoder",
        "Discriminator",
        "EfficientNetLite0Encoder",
        "EfficientNetLite2Encoder",
        "Generator",
        "InceptionV3Encoder",
        "TextEncoder",
    ),
    "serving.client": ("Client",),
    "training": ("DAMSMTrainer", "DMGANTrainer"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = ["__version__", *_MODULE_OF]


def __getattr__(name):
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__():
    return sorted({*globals(), *_MODULE_OF})


_register_classes()
