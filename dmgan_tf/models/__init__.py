"""The networks; importing them registers them and their layers for `keras.models.load_model`."""

from dmgan_tf.models.discriminator import Discriminator, DiscriminatorLogits
from dmgan_tf.models.generator import Generator, GeneratorOutput
from dmgan_tf.models.image_encoder import (
    CompactEncoder,
    EfficientNetLite0Encoder,
    EfficientNetLite2Encoder,
    InceptionV3Encoder,
)
from dmgan_tf.models.text_encoder import TextEncoder

__all__ = [
    "CompactEncoder",
    "Discriminator",
    "DiscriminatorLogits",
    "EfficientNetLite0Encoder",
    "EfficientNetLite2Encoder",
    "Generator",
    "GeneratorOutput",
    "InceptionV3Encoder",
    "TextEncoder",
]
