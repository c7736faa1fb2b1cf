"""Requests whose callers have gone never reach the model."""

import http.client
from urllib.parse import urlsplit

import grpc
import pytest
from plain_model import HANG
from requests_and_answers import ask, doubled, eventually, metric, numbers
from running_server import serve
from tensorflow_serving.apis import prediction_service_pb2_grpc

LONG = 60_000  # milliseconds that a batch of four waits to be full


@pytest.fixture
def patient(plain, tmp_path):
    options = "--max-batch-size", 4, "--batch-timeout-ms", LONG, "--max-queued-rows", 5
    with serve(plain, tmp_path / "log.txt", *options) as server:
        yield server


def dropped(server):
    return metric(server, "serving_dropped_total", model="dmgan")


def test_requests_that_expired_or_were_given_up_are_dropped_and_counted(patient):
    with grpc.insecure_channel(patient.address) as channel:
        predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
        with pytest.raises(grpc.RpcError) as caught:
            predict(numbers(1), timeout=0.5)
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        given_up = predict.future(numbers(2))
        eventually(lambda: metric(patient, "serving_queued_rows", model="dmgan") == 1)
        given_up.cancel()
        eventually(lambda: dropped(patient) == 2)
        opened = http.client.HTTPConnection(urlsplit(patient.root).netloc)
        opened.request("POST", "/v1/models/dmgan:predict", b'{"instances": [3]}')
        eventually(lambda: metric(patient, "serving_queued_rows", model="dmgan") == 1)
        opened.close()
        eventually(lambda: dropped(patient) == 3)
        # Their room in the queue is free again, and the model sees none of them.
        assert doubled(predict(numbers(4, 5, 6, 7))) == [8, 10, 12, 14]
    assert metric(patient, "serving_request_rows_sum", model="dmgan") == 7
    assert metric(patient, "serving_batch_rows_sum", model="dmgan") == 4
    assert metric(patient, "serving_in_flight", model="dmgan") == 0
    for name in ("serving_requests_total", "serving_request_seconds_count"):
        assert metric(patient, name, protocol="rest", code="CANCELLED") == 1


def test_a_server_that_is_told_to_end_waits_for_nothing_that_hangs(plain, tmp_path):
    with (
        serve(plain, tmp_path / "log.txt", "--drain-seconds", 0.5) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
        hanging = predict.future(numbers(HANG))
        eventually(lambda: metric(server, "serving_batch_rows_count") == 1)
        assert server.stop() == 0
        assert hanging.code() in (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)
        assert "given up" in server.log.read_text()


def test_who_names_no_deadline_waits_no_longer_than_the_servers(plain, tmp_path):
    with (
        serve(plain, tmp_path / "log.txt", "--answer-seconds", 0.5) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
        with pytest.raises(grpc.RpcError) as caught:
            predict(numbers(HANG))
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert ask(f"{server.rest}/dmgan:predict", b'{"instances": [1]}')[0] == 504
