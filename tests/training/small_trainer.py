"""A trainer small enough to run in milliseconds, and batches for it."""

import keras
import numpy as np
import tensorflow as tf

from dmgan_tf.layers.augmentation import NOISE_SIZE, Augmentation
from dmgan_tf.models.discriminator import Discriminator
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.image_encoder import CompactEncoder
from dmgan_tf.models.text_encoder import TextEncoder
from dmgan_tf.training.damsm_trainer import DAMSMTrainer
from dmgan_tf.training.dmgan_trainer import DMGANTrainer
from dmgan_tf.training.ema import start_average

WORDS, FEATURES, VOCABULARY, SIDES = 5, 8, 11, (8, 16)


def sgd(learning_rate=0.05):
    # Adam turns the sign of a vanishing gradient into a whole step; SGD keeps its size.
    return keras.optimizers.SGD(learning_rate)


def make_trainer(optimizer=sgd, dtype="float32", seed=0, recipe=False, image_encoder=None):
    """The paper's step, or with `recipe` all that configs may add to it."""
    keras.utils.set_random_seed(seed)
    shape = {
        "feature_channels": 4,
        "memory_channels": 6,
        "condition_size": 3,
        "noise_size": 3,
        "first_side": SIDES[0],
        "stages": 2,
        "residual_blocks": 1,
        "prior_size": 2 * recipe,
        "padding": "reflect" if recipe else "zeros",
        "dtype": dtype,
    }
    networks = [Generator(**shape, name=name) for name in ("generator", "average_generator")]
    for network in networks:
        network.build((None, None, FEATURES))
    if recipe:
        networks[0].prior.adapt(*np.random.default_rng(0).normal(size=(2, 50, FEATURES)))
    start_average(networks[1], networks[0])
    text, image = make_encoders()
    image = image_encoder or image

    def discriminator(side, channels=3, **options):
        network = Discriminator(side, 2, channels, batch_deviation=recipe, dtype=dtype, **options)
        network.build((None, side, side, channels), (None, FEATURES))
        if recipe:  # begins at 0, where the deviation has no gradient yet
            network.deviation_head.kernel.assign(tf.ones_like(network.deviation_head.kernel))
        return network

    options = {}
    if recipe:
        options = {
            "feature_discriminators": [discriminator(*image.map_shapes[1], name="map_2")],
            "feature_maps": [2],
            "augmentation": Augmentation(0.125, 0.25, True),
            "damsm_augmentation": Augmentation(0.125),
            "gradient_penalty": 0.1,
            "picture_weight": 3.0,
            "perceptual_weight": 2.0,
        }
    trainer = DMGANTrainer(
        *networks,
        [discriminator(side) for side in SIDES],
        text,
        image,
        ema_decay=0.5,
        damsm_weight=1.0,
        **options,
    )
    trainer.compile(optimizer(), [optimizer() for _ in trainer.all_discriminators])
    return trainer


def make_encoders():
    text = TextEncoder(VOCABULARY, 6, FEATURES, dropout=0.5)
    image = CompactEncoder(FEATURES, (4, 4, 4, 4, 4), input_side=16, name="image_encoder")
    text.build()
    image.build()
    return text, image


def make_damsm_trainer(optimizer=sgd, **options):
    keras.utils.set_random_seed(0)
    trainer = DAMSMTrainer(*make_encoders(), gammas=(4.0, 5.0, 10.0), clip_norm=0.25, **options)
    trainer.compile(optimizer())
    return trainer


def make_batch(size=4, seed=0):
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return tf.constant(rng.normal(size=shape).astype(np.float32))

    lengths = rng.integers(2, WORDS + 1, size)
    ids = rng.integers(1, VOCABULARY, (size, WORDS)) * (np.arange(WORDS) < lengths[:, None])
    return {
        "images": tuple(tf.tanh(normal(size, side, side, 3)) for side in SIDES),
        "ids": tf.constant(ids.astype(np.int32)),
        "lengths": tf.constant(lengths.astype(np.int32)),
        "class_ids": tf.constant(np.arange(size) // 2 + 1, tf.int32),
        "dropout_noise": tf.constant(rng.uniform(size=(size, WORDS, 6)).astype(np.float32)),
        "noise": normal(size, 3),
        "condition_noise": normal(size, 3),
        "augmentation_noise": tf.constant(
            rng.uniform(size=(size, len(SIDES) + 1, 2, NOISE_SIZE)).astype(np.float32)
        ),
    }


def weights(*networks):
    return [variable.numpy() for network in networks for variable in network.trainable_variables]


def moved(before, network):
    after = weights(network)
    return [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]


def forward(trainer, batch):
    text = trainer.encode_text(batch)
    return text, trainer.draw(text, batch)
