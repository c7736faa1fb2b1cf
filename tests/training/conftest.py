"""A small trainer and a batch for each test."""

import pytest
from processes import encoders, straight  # noqa: F401 - fixtures
from small_trainer import make_batch, make_trainer


@pytest.fixture
def trainer():
    return make_trainer()


@pytest.fixture
def batch():
    return make_batch()
