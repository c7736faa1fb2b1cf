"""What Keras offers for any model, for all networks and both trainers: files, clones, configs."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from command_lines import environment
from small_trainer import FEATURES, make_batch, make_damsm_trainer, make_trainer

import dmgan_tf
from dmgan_tf.keras_files import CLASSES
from dmgan_tf.layers.augmentation import Augmentation
from dmgan_tf.models import (
    CompactEncoder,
    Discriminator,
    EfficientNetLite0Encoder,
    EfficientNetLite2Encoder,
    Generator,
    InceptionV3Encoder,
    TextEncoder,
)
from dmgan_tf.training import Adam, DAMSMTrainer, DMGANTrainer
from dmgan_tf.training.schedule import ConstantThenLinear

# Nothing of the package is imported but itself, before Keras or after it.
LOAD = """
import sys
import importlib.util, {}
importlib.util.find_spec("keras")  # others ask so whether it is installed
import {}
assert not [name for name in sys.modules if name.startswith("dmgan_tf.layers")]
import json, numpy as np, tensorflow as tf
for folder in sys.argv[1:]:
    loaded = keras.models.load_model(folder + "/model.keras")
"""
OUTPUTS = """
    inputs = np.load(folder + "/inputs.npz").values()
    found = [np.asarray(x) for x in tf.nest.flatten(loaded(*inputs))]
    np.savez(folder + "/found.npz", *found)
"""
STATE = """
    np.savez(folder + "/found.npz", *loaded.get_weights())
    print(json.dumps(loaded.get_config()))
"""
PACKAGE = Path(dmgan_tf.__file__).parent


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


def smallest_efficientnet_encoder():
    return EfficientNetLite0Encoder(FEATURES), [normal(1, 32, 32, 3)]


SMALL = [generator, discriminator, text_encoder, compact_encoder]
LARGE = [inception_encoder, efficientnet_encoder, smallest_efficientnet_encoder]
NETWORKS = [*SMALL, *(pytest.param(make, marks=pytest.mark.slow) for make in LARGE)]


def outputs(network, inputs):
    return [np.asarray(x) for x in tf.nest.flatten(network(*inputs))]


def in_a_fresh_process(order, code, folders):
    """What a process prints that loads the model of each folder and then runs `code`."""
    line = [sys.executable, "-c", LOAD.format(*order) + code, *map(str, folders)]
    process = subprocess.run(line, env=environment(), capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    return process.stdout


def assert_found(folder, expected):
    found = np.load(folder / "found.npz").values()
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "makers", [SMALL, pytest.param(LARGE, marks=pytest.mark.slow)], ids=["small", "large"]
)
def test_a_fresh_process_loads_every_network_with_identical_outputs(makers, tmp_path):
    expected = {}
    for make in makers:
        network, inputs = make()
        folder = tmp_path / make.__name__
        folder.mkdir()
        expected[folder] = outputs(network, inputs)
        network.save(folder / "model.keras")
        np.savez(folder / "inputs.npz", *inputs)
    in_a_fresh_process(("dmgan_tf", "keras"), OUTPUTS, expected)
    for folder, values in expected.items():
        assert_found(folder, values)


def test_every_registered_class_has_its_stand_in_until_it_is_imported():
    found = {}
    for path in PACKAGE.rglob("*.py"):
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and any(
                "register_keras_serializable" in ast.unparse(d) for d in node.decorator_list
            ):
                found.setdefault(module, set()).add(node.name)
    assert found == {module: set(names) for module, names in CLASSES.items()}


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


def test_a_fresh_process_loads_every_trainer(tmp_path):
    trainers = {}
    for make in TRAINERS:
        trainer = trainers[tmp_path / make.__name__] = make()
        trainer.train_step(make_batch())
        (tmp_path / make.__name__).mkdir()
        trainer.save(tmp_path / make.__name__ / "model.keras")
    printed = in_a_fresh_process(("keras", "dmgan_tf"), STATE, trainers)
    configs = [json.loads(line) for line in printed.splitlines()]
    for config, (folder, trainer) in zip(configs, trainers.items(), strict=True):
        assert config == json.loads(json.dumps(trainer.get_config()))
        assert_found(folder, trainer.get_weights())


def test_a_trainer_is_cloned_with_its_augmentation():
    clone = keras.models.clone_model(recipe_trainer())
    assert clone.augmentation == Augmentation(0.125, 0.25, True)
    assert clone.feature_maps == (2,) and len(clone.all_discriminators) == 3


def test_encoders_are_evaluated_without_being_changed():
    trainer, batch = damsm_trainer(), make_batch()
    before = trainer.get_weights()
    scores = trainer.evaluate(tf.data.Dataset.from_tensors(batch), verbose=0, return_dict=True)
    loss, sentence, word = (float(scores[k]) for k in ("loss", "damsm_sentence", "damsm_word"))
    assert loss == pytest.approx(sentence + word)
    for old, new in zip(before, trainer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    history = trainer.fit(
        tf.data.Dataset.from_tensors(batch),
        validation_data=tf.data.Dataset.from_tensors(batch),
        verbose=0,
    ).history
    assert np.isfinite(history["val_damsm_word"]).all()
