"""What Keras offers for any model, for all networks and both trainers: files, clones, configs."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from command_lines import environment
from small_trainer import FEATURES, make_batch, make_damsm_trainer, make_trainer

from dmgan_tf.layers.augmentation import Augmentation
from dmgan_tf.models import (
    CompactEncoder,
    Discriminator,
    EfficientNetLite2Encoder,
    Generator,
    InceptionV3Encoder,
    TextEncoder,
)
from dmgan_tf.training import Adam, DAMSMTrainer, DMGANTrainer
from dmgan_tf.training.schedule import ConstantThenLinear

IN_A_FRESH_PROCESS = """
import sys
import keras, numpy as np, tensorflow as tf
import dmgan_tf.models  # registers the classes
network = keras.models.load_model(sys.argv[1])
inputs = list(np.load(sys.argv[2]).values())
np.savez(sys.argv[3], *[np.asarray(x) for x in tf.nest.flatten(network(*inputs))])
"""


def normal(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype("float32")


def generator():
    network = Generator(4, 6, 3, 3, first_side=8, stages=2, residual_blocks=1)
    mask = np.array([[True] * 5, [True] * 2 + [False] * 3])
    return network, [normal(2, 5, FEATURES), mask, normal(2, FEATURES), normal(2, 3), normal(2, 3)]


def discriminator():
    network = Discriminator(8, 2, batch_deviation=True)
    return network, [normal(2, 8, 8, 3), normal(2, FEATURES)]


def text_encoder():
    ids, lengths = np.array([[1, 8, 3], [5, 0, 0]], "int32"), np.array([3, 1], "int32")
    return TextEncoder(11, 6, FEATURES), [ids, lengths]


def compact_encoder():
    return CompactEncoder(FEATURES, (4, 4, 4, 4, 4), input_side=16), [normal(2, 16, 16, 3)]


def inception_encoder():
    return InceptionV3Encoder(FEATURES), [normal(1, 32, 32, 3)]


def efficientnet_encoder():
    return EfficientNetLite2Encoder(FEATURES), [normal(1, 32, 32, 3)]


LARGE = [pytest.param(f, marks=pytest.mark.slow) for f in (inception_encoder, efficientnet_encoder)]
NETWORKS = [generator, discriminator, text_encoder, compact_encoder, *LARGE]


def outputs(network, inputs):
    return [np.asarray(x) for x in tf.nest.flatten(network(*inputs))]


@pytest.mark.parametrize("make", NETWORKS)
def test_a_fresh_process_loads_every_network_with_identical_outputs(make, tmp_path):
    network, inputs = make()
    expected = outputs(network, inputs)
    network.save(tmp_path / "network.keras")
    np.savez(tmp_path / "inputs.npz", *inputs)
    files = [tmp_path / name for name in ("network.keras", "inputs.npz", "outputs.npz")]
    line = [sys.executable, "-c", IN_A_FRESH_PROCESS, *map(str, files)]
    process = subprocess.run(line, env=environment(), capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    found = list(np.load(tmp_path / "outputs.npz").values())
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("make", NETWORKS)
def test_every_network_is_cloned_counted_and_shown(make):
    network, inputs = make()
    network(*inputs)
    clone = keras.models.clone_model(network)
    assert clone.built and clone.get_config() == network.get_config()
    clone.set_weights(network.get_weights())
    for ours, theirs in zip(outputs(clone, inputs), outputs(network, inputs), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    count = sum(weight.size for weight in network.get_weights())
    assert clone.count_params() == network.count_params() == count
    lines = []
    network.summary(print_fn=lines.append)
    assert f"Total params: {count:,} " in "\n".join(lines)


def adam():
    return keras.optimizers.LossScaleOptimizer(Adam(ConstantThenLinear(1e-3, 10), 0.5))


def recipe_trainer():
    return make_trainer(adam, recipe=True)


def damsm_trainer():
    return make_damsm_trainer(lambda: Adam(1e-3), class_negatives=True)


TRAINERS = [recipe_trainer, damsm_trainer]


def assert_trains_alike(ours, theirs):
    batch = make_batch()
    expected = {name: float(value) for name, value in theirs.train_step(batch).items()}
    found = {name: float(value) for name, value in ours.train_step(batch).items()}
    assert found == expected
    for a, b in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), b.path)


@pytest.mark.parametrize("make", TRAINERS)
def test_a_trainer_of_the_same_config_and_weights_trains_alike(make):
    trainer = make()
    config = trainer.get_config()
    twin = type(trainer).from_config(config)
    assert twin.get_config() == config
    twin.compile_from_config(trainer.get_compile_config())
    twin.set_weights(trainer.get_weights())
    assert_trains_alike(twin, trainer)


@pytest.mark.parametrize("make", TRAINERS)
def test_a_trainer_that_was_saved_goes_on_where_it_was(make, tmp_path):
    trainer = make()
    trainer.train_step(make_batch(seed=1))  # so that the optimizers have something to remember
    trainer.save(tmp_path / "trainer.keras")
    loaded = keras.models.load_model(tmp_path / "trainer.keras")
    assert isinstance(loaded, (DMGANTrainer, DAMSMTrainer))
    assert_trains_alike(loaded, trainer)


def test_a_trainer_is_cloned_with_its_augmentation():
    clone = keras.models.clone_model(recipe_trainer())
    assert clone.augmentation == Augmentation(0.125, 0.25, True)
    assert clone.feature_maps == (2,) and len(clone.all_discriminators) == 3


def test_encoders_are_evaluated_without_being_changed():
    trainer, batch = damsm_trainer(), make_batch()
    before = trainer.get_weights()
    scores = trainer.evaluate(tf.data.Dataset.from_tensors(batch), verbose=0, return_dict=True)
    assert scores["loss"] == pytest.approx(scores["damsm_sentence"] + scores["damsm_word"])
    for old, new in zip(before, trainer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    history = trainer.fit(
        tf.data.Dataset.from_tensors(batch),
        validation_data=tf.data.Dataset.from_tensors(batch),
        verbose=0,
    ).history
    assert np.isfinite(history["val_damsm_word"]).all()
