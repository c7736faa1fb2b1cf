"""Two logical CPUs for every test process, and the one strategy that it may have."""

import os

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import pytest
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


@pytest.fixture(scope="session")
def strategy():
    """Two replicas on the CPU. A second strategy would break the collectives of the process."""
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


@pytest.fixture(autouse=True)
def seeded():
    """The same initial weights however many tests ran before."""
    keras.utils.set_random_seed(0)
