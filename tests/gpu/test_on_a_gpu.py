"""The same numbers on an NVIDIA card as on the CPU, and on several cards as on one.

Written without a card at hand, like all that concerns GPUs.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from command_lines import TINY

from dmgan_tf import build
from dmgan_tf.config_file import load_config
from dmgan_tf.inference.text_to_image import TextToImage

pytestmark = pytest.mark.gpu


@pytest.fixture
def float32():
    """Products of all 23 bits."""
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    yield
    tf.config.experimental.enable_tensor_float_32_execution(before)


def drawn_on(device):
    with tf.device(device):
        artist = TextToImage.from_preset("toy_birds")
        return artist.generate(["a red bird with black wings", "a blue bird"], [1, 2]).astype(int)


def test_a_preset_draws_the_same_pictures(float32):
    assert np.abs(drawn_on("GPU:0") - drawn_on("CPU:0")).max() <= 1


def trained(strategy, batch):
    """The generator's weights after a step of the global batch."""
    config = load_config(TINY[1], [TINY[3]])
    keras.utils.set_random_seed(0)
    with strategy.scope():
        encoders = build.text_encoder(config, 20), build.image_encoder(config)
        trainer = build.dmgan_trainer(config, *encoders)
    count = strategy.num_replicas_in_sync

    def share(context):
        index = context.replica_id_in_sync_group
        return tf.nest.map_structure(lambda x: tf.split(x, count)[index], batch)

    parts = strategy.experimental_distribute_values_from_function(share)
    tf.function(lambda: strategy.run(trainer.train_step, args=(parts,)))()
    return [weight.numpy() for weight in trainer.generator.trainable_variables]


def test_several_cards_train_as_one(float32):
    cards = [device.name for device in tf.config.list_logical_devices("GPU")]
    if len(cards) < 2:
        pytest.skip("One card alone.")
    rng = np.random.default_rng(0)
    config = load_config(TINY[1], [TINY[3]])
    batch = {
        "images": tuple(
            tf.constant(rng.uniform(-1, 1, (4, side, side, 3)), tf.float32)
            for side in config.generator.sides
        ),
        "ids": tf.constant(rng.integers(1, 20, (4, 5)), tf.int32),
        "lengths": tf.fill([4], 5),
        "class_ids": tf.range(4),
        "noise": tf.constant(rng.normal(size=(4, config.generator.noise_size)), tf.float32),
        "condition_noise": tf.constant(
            rng.normal(size=(4, config.generator.condition_size)), tf.float32
        ),
        "augmentation_noise": tf.constant(rng.uniform(size=(4, 3, 2, 7)), tf.float32),
    }
    one = trained(tf.distribute.OneDeviceStrategy(cards[0]), batch)
    two = trained(tf.distribute.MirroredStrategy(cards[:2]), batch)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
