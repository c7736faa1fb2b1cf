"""Reloads, signals and full queues while requests come in."""

import shutil
import threading

import grpc
import pytest
from requests_and_answers import CAPTIONS, images, request
from running_server import serve
from tensorflow_serving.apis import (
    model_management_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)


class Load:
    """Threads that ask without pause until told to stop; what failed, and which versions spoke."""

    def __init__(self, address, threads=4):
        self.errors, self.versions, self.answered = [], [], 0
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._ask, args=(address,), daemon=True) for _ in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def _ask(self, address):
        with grpc.insecure_channel(address) as channel:
            predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
            while not self._stop.is_set():
                try:
                    response = predict(request(["a red bird"], [1]), timeout=30)
                except grpc.RpcError as error:
                    with self._lock:
                        self.errors.append(error.code())
                    return
                with self._lock:
                    self.versions.append(response.model_spec.version.value)

    def wait_for(self, condition, seconds=60):
        for _ in range(seconds * 20):
            if condition(self):
                return
            self._stop.wait(0.05)
        raise TimeoutError

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.slow
def test_a_newer_version_takes_over_under_load_without_a_failed_request(exported, tmp_path):
    folder = tmp_path / "dmgan"
    shutil.copytree(exported / "7", folder / "7")
    with serve(folder, tmp_path / "log.txt") as server:
        load = Load(server.address)
        load.wait_for(lambda load: len(load.versions) > 20)
        shutil.copytree(exported / "7", folder / "partial")
        (folder / "partial").rename(folder / "8")
        load.wait_for(lambda load: load.versions[-1] == 8)
        (folder / "9").mkdir()  # a version that can't be loaded changes nothing
        seen = len(load.versions)
        load.wait_for(lambda load: "version 9 can't be served" in server.log.read_text())
        load.wait_for(lambda load: len(load.versions) > seen + 20)
        load.stop()
        assert not load.errors
        assert set(load.versions) == {7, 8}
        assert load.versions[-1] == 8


@pytest.mark.slow
def test_sigterm_under_load_answers_what_was_accepted(exported, tmp_path):
    with serve(exported, tmp_path / "log.txt") as server:
        load = Load(server.address)
        load.wait_for(lambda load: len(load.versions) > 20)
        assert server.stop() == 0
        load.wait_for(lambda load: len(load.errors) == 4)
        load.stop()
        # Each thread ended by a request that no handler had begun; all others have their answer.
        assert set(load.errors) <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
        assert f"{len(load.versions)} requests were answered" in server.log.read_text()


@pytest.mark.slow
def test_a_full_queue_refuses_and_recovers(exported, tmp_path):
    options = ("--max-queued-rows", 4, "--max-batch-size", 4, "--batch-timeout-ms", 1000)
    with (
        serve(exported, tmp_path / "log.txt", *options) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
        waiting = [predict.future(request(["a bird"], [i])) for i in range(40)]
        codes = [answer.code() for answer in waiting]
        assert set(codes) == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert len(images(predict(request(["a bird"], [1])))) == 1


@pytest.mark.slow
def test_models_are_replaced_by_a_reload_request(exported, tmp_path):
    with (
        serve(exported, tmp_path / "log.txt", "--no-batching") as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        service = model_service_pb2_grpc.ModelServiceStub(channel)
        predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
        change = model_management_pb2.ReloadConfigRequest()
        change.config.model_config_list.config.add(name="bird", base_path=str(exported))
        service.HandleReloadConfigRequest(change)
        assert len(images(predict(request(model="bird")))) == len(CAPTIONS)
        with pytest.raises(grpc.RpcError) as caught:
            predict(request())
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND
        change.config.model_config_list.config[0].base_path = str(tmp_path / "nowhere")
        with pytest.raises(grpc.RpcError, match="No such folder"):
            service.HandleReloadConfigRequest(change)
        assert len(images(predict(request(model="bird")))) == len(CAPTIONS)
