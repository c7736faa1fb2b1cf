"""One server for the tests that do it no harm."""

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
