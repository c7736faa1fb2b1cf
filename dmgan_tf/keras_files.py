"""Makes `keras.models.load_model` know this package's classes once `dmgan_tf` is imported.

Keras finds a class by the name that it is registered with, and a class is registered when its
module is imported. Until then a stand-in has its place, which imports the module when a file names
the class. `import dmgan_tf` imports neither Keras nor TensorFlow for that: where Keras is not
imported yet, the stand-ins are registered when it is.
"""

import importlib
import importlib.util
import sys
from importlib.abc import MetaPathFinder

PACKAGE = __name__.partition(".")[0]
CLASSES = {
    "layers.batch_deviation": ("BatchDeviation",),
    "layers.batch_norm": ("BatchNorm",),
    "layers.caption_prior": ("CaptionPrior",),
    "layers.conditioning_augmentation": ("ConditioningAugmentation",),
    "layers.conv_blocks": (
        "DownsampleBlock",
        "GatedLinearUnit",
        "JointBlock",
        "ResidualBlock",
        "UpsampleBlock",
    ),
    "layers.dynamic_memory": ("DynamicMemory",),
    "layers.lstm_cell": ("LSTMCell",),
    "layers.memory_steps": ("MemoryReader", "MemoryWriter", "ResponseGate"),
    "layers.spectral_norm": ("SpectralNormConv2D",),
    "models.discriminator": ("Discriminator",),
    "models.efficientnet_lite": (
        "ConvUnit",
        "EfficientNetLite0Backbone",
        "EfficientNetLite2Backbone",
        "InvertedResidual",
    ),
    "models.generator": ("Generator",),
    "models.generator_stages": ("InitialStage", "RefinementStage"),
    "models.image_encoder": (
        "CompactEncoder",
        "EfficientNetLite0Encoder",
        "EfficientNetLite2Encoder",
        "InceptionV3Encoder",
    ),
    "models.inception_v3": ("InceptionV3Backbone",),
    "models.text_encoder": ("TextEncoder",),
    "training.adam": ("Adam",),
    "training.damsm_trainer": ("DAMSMTrainer",),
    "training.dmgan_trainer": ("DMGANTrainer",),
    "training.schedule": ("ConstantThenLinear", "EpochDecay"),
}


class StandIn:
    """What Keras finds for a class whose module is not imported yet."""

    def __init__(self, module: str, name: str):
        self._module, self._name = f"{PACKAGE}.{module}", name

    def from_config(self, config):
        """An object of the class; its module registers the class itself in this one's place."""
        return getattr(importlib.import_module(self._module), self._name).from_config(config)


class _WhenKerasIsImported(MetaPathFinder):
    """Finds what the other finders find; an import of Keras registers the stand-ins at its end."""

    def find_spec(self, name, path=None, target=None):
        if name != "keras":
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        found = (finder.find_spec(name, path, target) for finder in others)
        spec = next(filter(None, found), None)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_register(module):
                execute(module)
                _register(module)
                sys.meta_path.remove(self)

            spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec


def register_classes() -> None:
    """Registers a stand-in for every class, now or when Keras is imported."""
    if keras := sys.modules.get("keras"):
        _register(keras)
    else:
        sys.meta_path.insert(0, _WhenKerasIsImported())


def _register(keras):
    known = keras.saving.get_custom_objects()
    for module, names in CLASSES.items():
        for name in names:
            known.setdefault(f"{PACKAGE}>{name}", StandIn(module, name))
