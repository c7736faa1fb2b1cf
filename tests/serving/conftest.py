"""One server for the tests that do it no harm."""

import subprocess
import sys

import grpc
import plain_model
import pytest
from running_server import serve
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc


@pytest.fixture(scope="session")
def plain(tmp_path_factory):
    """The folder of a served model that isn't this project's: versions 1 and 2."""
    return plain_model.export(tmp_path_factory.mktemp("plain"), 1, 2)


@pytest.fixture(scope="session")
def index(tmp_path_factory):
    """Skips the test where pip reaches no package index; what fails with one fails loudly."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--no-cache-dir", "--retries", "0", "--timeout", "20"]
    command += ["--dest", tmp_path_factory.mktemp("index"), "setuptools"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if found.returncode:
        pytest.skip(f"pip reaches no package index: {found.stderr.splitlines()[-1]}")


@pytest.fixture(scope="session")
def server(exported, tmp_path_factory):
    with serve(exported, tmp_path_factory.mktemp("server") / "log.txt") as running:
        yield running


@pytest.fixture(scope="session")
def channel(server):
    with grpc.insecure_channel(server.address) as opened:
        yield opened


@pytest.fixture(scope="session")
def predict(channel):
    return prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict


@pytest.fixture(scope="session")
def model_service(channel):
    return model_service_pb2_grpc.ModelServiceStub(channel)
