"""Reloads, signals and full queues while requests come in."""

import contextlib
import json
import re
import shutil
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import grpc
import pytest
from command_lines import run
from grpc_health.v1 import health_pb2, health_pb2_grpc
from requests_and_answers import CAPTIONS, ask, images, request
from running_server import resident_mib, serve
from tensorflow_serving.apis import (
    model_management_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)


class Load:
    """Threads that ask without pause until told to stop; what failed, and which versions spoke."""

    def __init__(self, address, threads=4):
        self.errors, self.versions = [], []
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


HOSTILE = {
    "rows": ("v1/models/dmgan:predict", b'{"instances": [' + b"1," * 400_000 + b"1]}"),
    "columns": ("v1/models/dmgan:predict", b'{"inputs": {"seed": [' + b"1," * 400_000 + b"1]}}"),
    "nested": ("v1/models/dmgan:predict", b"[" * 1_000_000),
    "many objects": ("v1/models/dmgan:predict", b'{"instances": [' + b"{}," * 300_000 + b"{}]}"),
    "many names": (
        "v1/models/dmgan:predict",
        b'{"inputs": {' + b",".join(b'"%d": 1' % i for i in range(60_000)) + b"}}",
    ),
    "too large": ("v1/models/dmgan:predict", b" " * 3_000_000),
    "v2 shape": (
        "v2/models/dmgan/infer",
        b'{"inputs": [{"name": "seed", "datatype": "INT64", "shape": [1000000000], "data": [1]}]}',
    ),
    "v2 data": ("v2/models/dmgan/infer", b'{"inputs": [' + b"{}," * 300_000 + b"{}]}"),
}


@pytest.mark.slow
def test_honest_callers_go_on_beside_hostile_ones(exported, tmp_path):
    with serve(exported, tmp_path / "log.txt") as server, contextlib.ExitStack() as stack:
        load = Load(server.address)
        load.wait_for(lambda load: len(load.versions) > 200)
        before = resident_mib(server.process)
        address = urlsplit(server.root)
        for _ in range(200):
            slow = socket.create_connection((address.hostname, address.port))
            stack.enter_context(slow).sendall(b"GET /v1/mod")
        with ThreadPoolExecutor(4) as threads:
            asked = [HOSTILE[name] for name in HOSTILE] * 10
            answers = threads.map(lambda kind: ask(f"{server.root}/{kind[0]}", kind[1]), asked)
            for (_, body), (status, _, answer) in zip(asked, answers, strict=True):
                assert status == (413 if len(body) > 2**20 else 400)
                assert list(json.loads(answer)) == ["error"]
        assert resident_mib(server.process) - before < 300
        seen = len(load.versions)
        load.wait_for(lambda load: len(load.versions) > seen + 20)
        load.stop()
        assert not load.errors


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
        serve(
            exported, tmp_path / "log.txt", "--no-batching", "--allow-reload", exported.parent
        ) as server,
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
        change.config.model_config_list.config[0].base_path = str(exported / "nowhere")
        with pytest.raises(grpc.RpcError, match="No such folder"):
            service.HandleReloadConfigRequest(change)
        assert len(images(predict(request(model="bird")))) == len(CAPTIONS)


def copy_version(exported, folder, number):
    """A whole version, as an export puts it there."""
    shutil.copytree(exported / "7", folder / "partial")
    (folder / "partial").rename(folder / str(number))


def answered_by(server):
    with grpc.insecure_channel(server.address) as channel:
        predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
        return predict(request(["a bird"], [1])).model_spec.version.value


@pytest.mark.slow
def test_bad_versions_are_passed_over_until_they_are_mended(exported, tmp_path):
    folder = tmp_path / "dmgan"
    folder.mkdir()
    copy_version(exported, folder, 1)
    (folder / "2").mkdir()
    (folder / "1²").mkdir()  # no number, though Python calls it digits
    with serve(folder, tmp_path / "log.txt") as server:
        assert answered_by(server) == 1
        shutil.copytree(exported / "7", folder / "2", dirs_exist_ok=True)
        for _ in range(200):
            if answered_by(server) == 2:
                break
            time.sleep(0.1)
        assert answered_by(server) == 2


@pytest.mark.slow
def test_a_reload_to_a_bad_folder_changes_nothing(exported, tmp_path):
    (tmp_path / "bad" / "1").mkdir(parents=True)
    with (
        serve(exported, tmp_path / "log.txt", "--allow-reload", tmp_path) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        service = model_service_pb2_grpc.ModelServiceStub(channel)
        change = model_management_pb2.ReloadConfigRequest()
        change.config.model_config_list.config.add(name="dmgan", base_path=str(tmp_path / "bad"))
        with pytest.raises(grpc.RpcError, match="no version of dmgan can be served"):
            service.HandleReloadConfigRequest(change)
        assert answered_by(server) == 7


@pytest.mark.slow
def test_more_than_the_queue_holds_is_refused_while_health_answers(exported, tmp_path):
    # A queue so short that a client on a busy machine overfills it as well. Several connections,
    # since of more calls than 256 on one HTTP/2 may refuse the streams before the server sees them.
    short = "--max-queued-rows", 4, "--max-batch-size", 1
    alone = [("grpc.use_local_subchannel_pool", 1)]
    with serve(exported, tmp_path / "log.txt", *short) as server, contextlib.ExitStack() as stack:
        *channels, other = (
            stack.enter_context(grpc.insecure_channel(server.address, alone)) for _ in range(6)
        )
        stubs = [prediction_service_pb2_grpc.PredictionServiceStub(channel) for channel in channels]
        waiting = [
            stub.Predict.future(request(["a bird"], [i])) for i in range(140) for stub in stubs
        ]
        health = health_pb2_grpc.HealthStub(other)
        codes = {answer.code() for answer in waiting}
        assert codes == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
        answer = health.Check(health_pb2.HealthCheckRequest(), timeout=5)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.slow
def test_the_client_asks_all_servers_behind_its_address(exported, tmp_path):
    from dmgan_tf.serving.client import Client

    with (
        serve(exported, tmp_path / "a.txt") as first,
        serve(exported, tmp_path / "b.txt") as second,
    ):
        with Client(f"ipv4:{first.address},{second.address}") as client:
            for seed in range(20):
                client.generate(["a bird"], [seed])
        logs = []
        for server in (first, second):
            assert server.stop() == 0
            logs.append(server.log.read_text())
    counts = [int(re.search(r"(\d+) requests were answered", log)[1]) for log in logs]
    assert sum(counts) == 20 and min(counts) >= 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--port", 70000), "--port must lie in 0 … 65535."),
        (("--max-message-mib", 4096), "--max-message-mib must lie in"),
        (("--poll-seconds", -1), "--poll-seconds must lie in"),
        (("--batch-timeout-ms", "nan"), "--batch-timeout-ms must lie in"),
        (("--certificate", "absent.pem"), "--certificate and --private-key belong together."),
    ],
)
def test_options_out_of_their_range_are_one_line(tmp_path, options, message):
    process = run("serving.server", "--model", f"dmgan={tmp_path}", *options)
    assert process.returncode == 2
    assert message in process.stderr.splitlines()[-1]
