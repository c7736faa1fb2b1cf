"""One experiment as frozen dataclasses.

Every section checks its own ranges; `Config` checks what spans sections. Standard library and
PyYAML only.
"""

import dataclasses
from dataclasses import dataclass, field

import yaml

from dmgan_tf.config.checks import require
from dmgan_tf.config.data import AugmentationConfig, DataConfig
from dmgan_tf.config.networks import (
    DiscriminatorConfig,
    GeneratorConfig,
    ImageEncoderConfig,
    TextEncoderConfig,
)
from dmgan_tf.config.training import DAMSMConfig, TrainingConfig

__all__ = [
    "AugmentationConfig",
    "Config",
    "DAMSMConfig",
    "DataConfig",
    "DiscriminatorConfig",
    "GeneratorConfig",
    "ImageEncoderConfig",
    "TextEncoderConfig",
    "TrainingConfig",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """One experiment."""

    data: DataConfig
    text_encoder: TextEncoderConfig = field(default_factory=TextEncoderConfig)
    image_encoder: ImageEncoderConfig = field(default_factory=ImageEncoderConfig)
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    damsm: DAMSMConfig = field(default_factory=DAMSMConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def __post_init__(self):
        side = self.generator.sides[-1]
        require(
            self.data.source != "toy_birds" or 16 <= side <= 256,
            f"toy_birds is drawn at 16 to 256 pixels. Received: a last side of {side}.",
        )
        require(
            not self.discriminator.feature_maps
            or self.image_encoder.kind in ("compact", "efficientnet_lite0"),
            "`discriminator.feature_maps` needs `image_encoder.kind: compact` or "
            "`efficientnet_lite0`. "
            f"Received: {self.image_encoder.kind!r}.",
        )
        require(
            not self.training.perceptual_weight or bool(self.discriminator.feature_maps),
            "`training.perceptual_weight` needs `discriminator.feature_maps`, in which it compares "
            "pictures: name some, or set training.perceptual_weight=0.",
        )
        size, features = self.generator.prior_size, self.text_encoder.feature_size
        require(
            size <= features,
            "`generator.prior_size` must be at most `text_encoder.feature_size`. "
            f"Received: {size}, and {features}.",
        )

    def to_yaml(self) -> str:
        """The resolved config; `load_config` reads it back to an equal one."""
        return yaml.safe_dump(_plain(self), sort_keys=False)


def _plain(value):
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return list(value) if isinstance(value, tuple) else value
