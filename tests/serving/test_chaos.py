"""What happens to servers in operation, beside 32 clients: no request that was accepted is lost."""

import contextlib
import re
import shutil
import ssl
import subprocess
import urllib.request

import grpc
import pytest
from crowd import OWN_CONNECTION, Crowd, by_grpc, by_rest
from requests_and_answers import doubled, eventually, numbers
from running_server import serve
from tensorflow_serving.apis import (
    model_management_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)
from tls_files import Files, localhost

from dmgan_tf.serving.client import Client

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(plain, tmp_path):
    """A model's folder with version 1."""
    (tmp_path / "dmgan").mkdir()
    add(plain, tmp_path / "dmgan", 1)
    return tmp_path / "dmgan"


def add(plain, folder, number):
    """A whole version, as an export puts it there."""
    shutil.copytree(plain / "1", folder / "partial")
    (folder / "partial").rename(folder / str(number))


def test_versions_that_come_go_and_are_damaged(plain, folder, tmp_path):
    with serve(folder, tmp_path / "log.txt", "--allow-reload", tmp_path) as server:
        with Crowd(by_grpc(server), by_rest(server)) as crowd:
            add(plain, folder, 2)
            eventually(lambda: crowd.errors or crowd.answers[-1] == 2)
            shutil.copytree(plain / "1", folder / "partial")
            (folder / "partial" / "saved_model.pb").write_bytes(b"\xff" * 1000)
            (folder / "partial").rename(folder / "3")
            eventually(lambda: "version 3 can't be served" in server.log.read_text())
            crowd.go_on()
            assert 3 not in crowd.answers
            shutil.rmtree(folder / "2")
            eventually(lambda: crowd.errors or set(crowd.answers[-100:]) <= {1, None})
            (tmp_path / "other").mkdir()
            add(plain, tmp_path / "other", 9)
            change = model_management_pb2.ReloadConfigRequest()
            model = change.config.model_config_list.config.add(name="dmgan")
            model.base_path = str(tmp_path / "other")
            with grpc.insecure_channel(server.address) as channel:
                model_service_pb2_grpc.ModelServiceStub(channel).HandleReloadConfigRequest(change)
            eventually(lambda: crowd.errors or set(crowd.answers[-100:]) <= {9, None})
            crowd.go_on()
        assert not crowd.errors
        assert set(crowd.answers) == {1, 2, 9, None}


def by_tls(server, root):
    """Connects anew for every few requests, over gRPC and REST in turn; keeps nothing."""
    context = ssl.create_default_context(cadata=root.decode())
    url = localhost(server.rest).replace("http:", "https:") + "/dmgan:predict"

    def ask(number):
        credentials = grpc.ssl_channel_credentials(root)
        with grpc.secure_channel(localhost(server.address), credentials, OWN_CONNECTION) as channel:
            predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
            for _ in range(3):
                assert doubled(predict(numbers(number), timeout=60)) == [2 * number]
        body = f'{{"instances": [{number}]}}'.encode()
        with urllib.request.urlopen(url, body, context=context, timeout=60) as answer:
            assert answer.status == 200

    return lambda: contextlib.nullcontext(ask)


def test_certificates_that_are_renewed(plain, tmp_path):
    files, later = Files(tmp_path), Files(tmp_path / "later")
    with serve(plain, tmp_path / "log.txt", *files.server) as server:
        roots = files.root.read_bytes() + later.root.read_bytes()
        with Crowd(by_tls(server, roots)) as crowd:
            shutil.copy(later.certificate, files.certificate)  # for a time it isn't the key's
            eventually(lambda: "the one before stays in use" in server.log.read_text())
            crowd.go_on(64)
            shutil.copy(later.key, files.key)
            eventually(lambda: "renewed" in server.log.read_text())
            crowd.go_on(64)
        assert not crowd.errors
        with Crowd(by_tls(server, later.root.read_bytes())) as crowd:
            crowd.go_on(32)
        assert not crowd.errors


def test_sigterm(plain, tmp_path):
    with serve(plain, tmp_path / "log.txt") as server:
        with Crowd(by_grpc(server), by_rest(server)) as crowd:
            assert server.stop() == 0
            eventually(crowd.are_gone)
        # Each client ended by a request that wasn't taken; all others have their answer.
        answered = re.search(r"(\d+) requests were answered", server.log.read_text())
        assert int(answered[1]) == len(crowd.answers)


def test_a_server_that_is_killed_among_three(exported, tmp_path):
    with contextlib.ExitStack() as stack:
        servers = [
            stack.enter_context(serve(exported, tmp_path / f"{number}.txt")) for number in range(3)
        ]
        address = "ipv4:" + ",".join(server.address for server in servers)

        @contextlib.contextmanager
        def draw():
            with Client(address) as client:
                yield lambda seed: client.generate(["a red bird"], [seed])[0][:4]

        with Crowd(draw) as crowd:
            servers[0].process.kill()
            servers[0].process.wait()
            crowd.go_on(500)
        assert not crowd.errors
        assert set(crowd.answers) == {b"\x89PNG"}
        counts = []
        for server in servers[1:]:
            assert server.stop() == 0
            counts.append(int(re.search(r"(\d+) requests were", server.log.read_text())[1]))
        assert min(counts) > 100


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of its own of 4 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", disk]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no disk can be mounted here: {error}")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk(plain, small_disk):
    folder, filler = small_disk / "dmgan", small_disk / "filler"
    folder.mkdir()
    add(plain, folder, 1)
    with serve(folder, small_disk / "log.txt") as server:
        with Crowd(by_grpc(server), by_rest(server)) as crowd:
            with contextlib.suppress(OSError), filler.open("wb", buffering=0) as opened:
                while True:
                    opened.write(bytes(4096))
            with pytest.raises((OSError, shutil.Error)):
                shutil.copytree(plain / "1", folder / "2")
            crowd.go_on(1000)
            filler.unlink()
            shutil.copytree(plain / "1", folder / "2", dirs_exist_ok=True)
            eventually(lambda: crowd.errors or crowd.answers[-1] == 2)
        assert not crowd.errors
        assert set(crowd.answers) == {1, 2, None}
