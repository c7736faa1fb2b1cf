"""One server for the tests that do it no harm."""

import sys

import pytest
from running_server import SERVING, serve

sys.path.insert(0, str(SERVING))  # its files are scripts, and import one another by name


@pytest.fixture(scope="session")
def server(exported, tmp_path_factory):
    with serve(exported, tmp_path_factory.mktemp("server") / "log.txt") as running:
        yield running
