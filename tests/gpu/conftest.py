"""These tests run on the card that the caller shows them: `make test-gpu`."""

import pytest
import tensorflow as tf


def pytest_collection_modifyitems(items):
    if not tf.config.list_physical_devices("GPU"):
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="TensorFlow sees no GPU."))
