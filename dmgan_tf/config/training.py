"""Sections of the two trainings: the encoders, then the GAN."""

from dataclasses import dataclass

from dmgan_tf.config.checks import fraction, not_negative, one_of, positive, require, seed, share


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
        positive(self, "batch_size", "pictures_per_class", "steps", "learning_rate", "clip_norm")
        share(self, "final_learning_rate_ratio")
        require(
            self.epoch_decay is None or 0 < self.epoch_decay <= 1,
            f"`epoch_decay` must lie in (0, 1]. Received: epoch_decay={self.epoch_decay}.",
        )
        require(
            self.batch_size % self.pictures_per_class == 0,
            "`batch_size` must be divisible by `pictures_per_class`. Received: "
            f"batch_size={self.batch_size}, pictures_per_class={self.pictures_per_class}.",
        )
        require(
            len(self.gammas) == 3 and min(self.gammas) > 0,
            f"`gammas` must be three numbers above 0. Received: {list(self.gammas)}.",
        )
        require(self.batch_size > 1, "`batch_size` must be 2 or more: negatives come from it.")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """How the GAN is trained and what is written while it is."""

    batch_size: int = 10  # global, over all replicas
    steps: int = 530_000
    seed: int = 0
    # A model directory (of `convert`, or of a run) or a preset that training begins with: its
    # generator (which may have fewer stages), the discriminators where it holds any, and its
    # encoders unless `damsm.directory` names others.
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
    # Weights of the distance to the caption's real picture: in pixels, and in the maps of
    # `discriminator.feature_maps`; 0: none. For captions that tell what their picture shows, and
    # without flips and crops (`data.horizontal_flip`, `data.load_side_ratio`), which none tells.
    picture_weight: float = 0.0
    perceptual_weight: float = 0.0
    ema_decay: float = 0.999
    ema_warm_up: bool = False
    log_every_steps: int = 50
    sample_every_steps: int = 2000
    evaluate_every_epochs: float = 10.0  # an epoch: as many pictures as there are to learn from
    evaluation_images: int = 1000
    checkpoint_every_steps: int = 2000
    keep_checkpoints: int = 3
    # With several workers: a step that takes longer, callbacks included, ends the process, for a
    # scheduler to begin again. 0: waits for ever.
    step_timeout_seconds: float = 3600.0
    mixed_precision: str = "off"  # off | bfloat16 | float16
    xla: bool = False  # with one replica alone
    tf32: bool = (
        True  # on NVIDIA GPUs since Ampere, float32 products of 10 bits: faster; else no effect
    )
    threads_per_operation: int = 0  # on the CPU; 0: one per core; 1 is faster for small networks

    def __post_init__(self):
        positive(
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
        fraction(self, "beta_1", "beta_2", "ema_decay")
        share(self, "constant_ratio", "final_learning_rate_ratio")
        seed(self, "seed")
        require(self.batch_size > 1, "`batch_size` must be 2 or more: wrong sentences need it.")
        require(self.evaluation_images > 1, "`evaluation_images` must be 2 or more.")
        not_negative(
            self,
            "damsm_weight",
            "kl_weight",
            "gradient_penalty",
            "picture_weight",
            "perceptual_weight",
            "threads_per_operation",
        )
        require(
            0 <= self.step_timeout_seconds <= 1e6, "`step_timeout_seconds` must lie in [0, 10⁶]."
        )
        one_of(self, "mixed_precision", ("off", "bfloat16", "float16"))
