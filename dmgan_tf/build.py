"""The only translator from a Config to objects: data, networks, trainers, strategy."""

import os

import keras
import tensorflow as tf

from dmgan_tf.build_data import (
    augmentation,
    captions,
    pictures,
    pipeline_options,
    vocabulary,
)
from dmgan_tf.config import Config
from dmgan_tf.errors import UserError
from dmgan_tf.interop.efficientnet_weights import load_efficientnet_weights
from dmgan_tf.layers.augmentation import Augmentation
from dmgan_tf.models.discriminator import Discriminator
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.image_encoder import (
    CompactEncoder,
    EfficientNetLite0Encoder,
    EfficientNetLite2Encoder,
    InceptionV3Encoder,
)
from dmgan_tf.models.inception_weights import load_imagenet_weights
from dmgan_tf.models.text_encoder import TextEncoder
from dmgan_tf.training.adam import Adam
from dmgan_tf.training.damsm_trainer import DAMSMTrainer
from dmgan_tf.training.dmgan_trainer import DMGANTrainer
from dmgan_tf.training.ema import start_average
from dmgan_tf.training.schedule import ConstantThenLinear, EpochDecay

__all__ = [
    "captions",
    "check_batch_size",
    "check_feature_maps",
    "check_xla",
    "damsm_trainer",
    "discriminators",
    "dmgan_trainer",
    "feature_discriminators",
    "generator",
    "image_encoder",
    "initial_image_encoder",
    "local_strategy",
    "pictures",
    "pipeline_options",
    "strategy",
    "text_encoder",
    "vocabulary",
]


def strategy(config: Config) -> tf.distribute.Strategy:
    """All GPUs of this machine, else the CPU; all machines of `TF_CONFIG` where that is set.

    Call it once, before any other TensorFlow work: a second strategy breaks the collectives, and
    the number of threads is fixed by the first operation.
    """
    tf.config.threading.set_intra_op_parallelism_threads(config.training.threads_per_operation)
    tf.config.experimental.enable_tensor_float_32_execution(config.training.tf32)
    several = os.environ.get("TF_CONFIG")
    found = tf.distribute.MultiWorkerMirroredStrategy() if several else local_strategy()
    check_xla(config.training.xla, found.num_replicas_in_sync)
    return found


def local_strategy() -> tf.distribute.Strategy:
    """All GPUs of this machine, else the CPU; see `strategy`."""
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def check_xla(xla: bool, replicas: int) -> None:
    """Raises UserError where XLA can't compile a step: replicas gather one another's samples."""
    if xla and replicas > 1:
        raise UserError(
            f"`training.xla: true` works with one replica. Received: {replicas}. Switch it off, or "
            "show one GPU alone: CUDA_VISIBLE_DEVICES=0."
        )


def check_batch_size(name: str, batch_size: int, replicas: int) -> None:
    """Raises UserError when a global batch can't be shared out evenly."""
    if batch_size % replicas:
        down, up = batch_size // replicas * replicas, -(-batch_size // replicas) * replicas
        advice = f"Use {down} or {up}." if down else f"Use {up}."
        raise UserError(
            f"`{name}` must be divisible by the number of replicas. Received: "
            f"{name}={batch_size}, replicas={replicas}. {advice}"
        )


def text_encoder(config: Config, vocabulary_size: int) -> TextEncoder:
    """The text encoder for a vocabulary of that size, built."""
    section = config.text_encoder
    encoder = TextEncoder(
        vocabulary_size, section.embedding_size, section.feature_size, section.dropout
    )
    encoder.build()
    return encoder


IMAGE_ENCODERS = {
    "compact": CompactEncoder,
    "inception_v3": InceptionV3Encoder,
    "efficientnet_lite0": EfficientNetLite0Encoder,
    "efficientnet_lite2": EfficientNetLite2Encoder,
}
COMPACT_KEYS = "widths", "input_side"  # of `image_encoder`, for the compact one alone


def image_encoder(config: Config) -> keras.Model:
    """The image encoder of `image_encoder.kind`, built; float32 under every policy."""
    section = config.image_encoder
    own = {key: getattr(section, key) for key in COMPACT_KEYS} if section.kind == "compact" else {}
    size = config.text_encoder.feature_size
    encoder = IMAGE_ENCODERS[section.kind](size, **own, name="image_encoder")
    encoder.build()
    return encoder


def initial_image_encoder(config: Config) -> keras.Model:
    """The image encoder as pretraining begins with it: on ImageNet's weights where it has any.

    Raises: UserError: when their file is missing or holds something else.
    """
    encoder, section = image_encoder(config), config.image_encoder
    if section.kind == "inception_v3":
        load_imagenet_weights(encoder.backbone, section.weights)
    elif section.kind in ("efficientnet_lite0", "efficientnet_lite2"):
        load_efficientnet_weights(encoder.backbone, section.weights)
    return encoder


def generator(config: Config, name: str = "generator") -> Generator:
    """A generator, built."""
    section = config.generator
    network = Generator(
        feature_channels=section.feature_channels,
        memory_channels=section.memory_channels,
        condition_size=section.condition_size,
        noise_size=section.noise_size,
        first_side=section.first_side,
        stages=section.stages,
        residual_blocks=section.residual_blocks,
        memory=section.memory,
        writing_gate=section.writing_gate,
        response_gate=section.response_gate,
        separate_values=section.separate_values,
        padding=section.padding,
        prior_size=section.prior_size,
        dtype=_policy(config),
        name=name,
    )
    network.build((None, None, config.text_encoder.feature_size))
    network.conditioning_augmentation.scale_kernel(section.condition_gain)
    for stage in network.refinement_stages:
        stage.dynamic_memory.scale_kernels(section.memory_gain)
    return network


def discriminators(config: Config) -> list[Discriminator]:
    """One discriminator per picture size, small to large, built."""
    return [_discriminator(config, side, 3) for side in config.generator.sides]


def check_feature_maps(config: Config, image: keras.Model | None = None) -> None:
    """Raises UserError when `discriminator.feature_maps` don't fit `image`, or the config's own."""
    if config.discriminator.feature_maps:
        _chosen_maps(config, image or image_encoder(config))


def feature_discriminators(config: Config, image: keras.Model) -> list[Discriminator]:
    """One discriminator for each of `discriminator.feature_maps` of an image encoder, built."""
    return [
        _discriminator(config, side, channels, name=f"discriminator_map_{number}")
        for number, (side, channels) in _chosen_maps(config, image).items()
    ]


def _chosen_maps(config, image):
    """(side, channels) of each of `discriminator.feature_maps`, by its number."""
    chosen = {}
    for number in config.discriminator.feature_maps:
        if not hasattr(image, "map_shapes"):
            raise UserError(
                "`discriminator.feature_maps` needs a CompactEncoder or EfficientNetLite0Encoder. "
                f"Received: {type(image).__name__}. Name a model with such an encoder, or set "
                "discriminator.feature_maps=[] and training.perceptual_weight=0."
            )
        side, channels = image.map_shapes[number - 1]
        if side < 8 or side & (side - 1):
            raise UserError(
                "`discriminator.feature_maps` needs maps whose side is a power of two from 8 on. "
                f"Received: {number}, whose side is {side} at an input side of {image.input_side}. "
                "Choose other maps, or an `image_encoder.input_side` that is a power of two."
            )
        chosen[number] = (side, channels)
    return chosen


def _discriminator(config, side, channels, **options):
    section = config.discriminator
    network = Discriminator(
        side,
        section.base_width,
        channels,
        section.batch_deviation,
        dtype=_policy(config),
        **options,
    )
    network.build((None, side, side, channels), (None, config.text_encoder.feature_size))
    return network


def dmgan_trainer(config: Config, text: TextEncoder, image: keras.Model) -> DMGANTrainer:
    """Networks, optimizers and trainer around given encoders; call it in the strategy's scope."""
    section = config.training
    keras.utils.set_random_seed(section.seed)
    network, average = generator(config), generator(config, "average_generator")
    start_average(average, network)
    trainer = DMGANTrainer(
        network,
        average,
        discriminators(config),
        text,
        image,
        feature_discriminators=feature_discriminators(config, image),
        feature_maps=config.discriminator.feature_maps,
        augmentation=augmentation(config),
        damsm_augmentation=Augmentation(config.augmentation.damsm_translation),
        gradient_penalty=section.gradient_penalty,
        picture_weight=section.picture_weight,
        perceptual_weight=section.perceptual_weight,
        damsm_weight=section.damsm_weight,
        kl_weight=section.kl_weight,
        damsm_gammas=config.damsm.gammas,
        ema_decay=section.ema_decay,
        ema_warm_up=section.ema_warm_up,
        name="dmgan_trainer",
    )
    trainer.compile(
        _optimizer(config, section.generator_learning_rate),
        [
            _optimizer(config, section.discriminator_learning_rate)
            for _ in trainer.all_discriminators
        ],
        jit_compile=section.xla,
    )
    return trainer


def damsm_trainer(config: Config, vocabulary_size: int, steps_per_epoch: int) -> DAMSMTrainer:
    """Encoders, optimizer and trainer for pretraining; call it in the strategy's scope."""
    section = config.damsm
    keras.utils.set_random_seed(config.training.seed)
    image = initial_image_encoder(config)  # first: the order decides initial weights
    trainer = DAMSMTrainer(
        text_encoder(config, vocabulary_size),
        image,
        gammas=section.gammas,
        class_negatives=section.pictures_per_class > 1,
        clip_norm=section.clip_norm,
        name="damsm_trainer",
    )
    trainer.compile(_encoder_optimizer(config, steps_per_epoch), jit_compile=config.training.xla)
    return trainer


def _encoder_optimizer(config, steps_per_epoch):
    """Keras' Adam falling linearly, or the published way: our Adam, decaying by the epoch.

    Our Adam would change the encoders of the first way: its ε is smaller.
    """
    section = config.damsm
    rate, final_ratio = section.learning_rate, section.final_learning_rate_ratio
    if section.epoch_decay is None:
        linear = ConstantThenLinear(rate, section.steps, 0.0, final_ratio)
        return keras.optimizers.Adam(linear, 0.5, 0.999, epsilon=1e-8)
    decaying = EpochDecay(rate, steps_per_epoch, section.epoch_decay, final_ratio)
    return Adam(decaying, 0.5, 0.999, epsilon=1e-8)


def _optimizer(config, learning_rate):
    section = config.training
    rate = ConstantThenLinear(
        learning_rate, section.steps, section.constant_ratio, section.final_learning_rate_ratio
    )
    adam = Adam(rate, section.beta_1, section.beta_2, epsilon=1e-8)
    if section.mixed_precision == "float16":
        return keras.optimizers.LossScaleOptimizer(adam)
    return adam


def _policy(config):
    mode = config.training.mixed_precision
    return "float32" if mode == "off" else f"mixed_{mode}"
