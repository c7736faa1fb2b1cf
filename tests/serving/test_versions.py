"""Which version answers: newer, older, pinned, labelled; and reloads, where they are allowed."""

import http.client
import json
import shutil
from urllib.parse import urlsplit

import grpc
import pytest
from command_lines import run
from plain_model import HANG
from requests_and_answers import ask, doubled, eventually, metric, numbers, post
from running_server import serve
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)

INSTANCES = {"instances": [21]}


def add(plain, folder, number):
    """A whole version, as an export puts it there."""
    shutil.copytree(plain / "1", folder / "partial")
    (folder / "partial").rename(folder / str(number))


class Caller:
    """The gRPC services of a server."""

    def __init__(self, server):
        self._channel = grpc.insecure_channel(server.address)
        stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self.predict, self.metadata = stub.Predict, stub.GetModelMetadata
        service = model_service_pb2_grpc.ModelServiceStub(self._channel)
        self.status, self._reload = service.GetModelStatus, service.HandleReloadConfigRequest

    def answered_by(self, **spec):
        response = self.predict(numbers(21, **spec))
        assert doubled(response) == [42]
        return response.model_spec.version.value

    def refused(self, call, *arguments):
        with pytest.raises(grpc.RpcError) as caught:
            call(*arguments)
        return caught.value.code(), caught.value.details()

    def reload(self, **paths):
        change = model_management_pb2.ReloadConfigRequest()
        for name, path in paths.items():
            change.config.model_config_list.config.add(name=name, base_path=str(path))
        return self._reload(change)

    def reload_config(self, change):
        return self._reload(change)


def states(server):
    found = json.loads(ask(f"{server.rest}/dmgan")[2])["model_version_status"]
    return {int(status["version"]): status["state"] for status in found}


def test_deleting_a_version_brings_the_one_before_it_back(plain, tmp_path):
    folder = tmp_path / "dmgan"
    folder.mkdir()
    add(plain, folder, 7)
    with serve(folder, tmp_path / "log.txt") as server:
        caller = Caller(server)
        assert caller.answered_by() == 7
        add(plain, folder, 8)
        eventually(lambda: states(server) == {8: "AVAILABLE", 7: "END"})
        assert caller.answered_by() == caller.answered_by(version=0) == 8
        shutil.rmtree(folder / "8")
        eventually(lambda: states(server) == {8: "END", 7: "AVAILABLE"})
        assert caller.answered_by() == 7
        assert metric(server, "serving_model_version", model="dmgan") == 7
        shutil.rmtree(folder)  # nothing is left that could take over
        eventually(lambda: "looking for versions failed" in server.log.read_text())
        assert caller.answered_by() == 7


def test_a_drain_that_hangs_holds_up_no_other_version_and_ends(plain, tmp_path):
    folder = tmp_path / "dmgan"
    folder.mkdir()
    add(plain, folder, 1)
    options = "--drain-seconds", 2
    with serve(folder, tmp_path / "log.txt", *options) as server:
        caller = Caller(server)
        hanging = caller.predict.future(numbers(HANG))
        eventually(lambda: metric(server, "serving_batch_rows_count") == 1)
        add(plain, folder, 2)
        eventually(lambda: states(server).get(2) == "AVAILABLE")
        add(plain, folder, 3)
        eventually(lambda: states(server).get(3) == "AVAILABLE")
        assert caller.answered_by() == 3
        eventually(lambda: states(server)[1] == "END")
        assert "version 1 was given up" in server.log.read_text()
        hanging.cancel()


def test_pinned_versions_and_labels(plain, tmp_path):
    folder = tmp_path / "dmgan"
    folder.mkdir()
    for number in (1, 2, 3):
        add(plain, folder, number)
    pinned = "--version", "dmgan=1", "--version", "dmgan=2"
    labels = "--label", "dmgan/stable=1", "--label", "dmgan/canary=3"
    with serve(folder, tmp_path / "log.txt", *pinned, *labels) as server:
        caller = Caller(server)
        assert caller.answered_by() == 2
        assert caller.answered_by(version=1) == caller.answered_by(label="stable") == 1
        assert states(server) == {2: "AVAILABLE", 1: "AVAILABLE"}
        for spec, code, words in (
            ({"version": 3}, grpc.StatusCode.NOT_FOUND, "Specific(dmgan, 3)"),
            ({"label": "canary"}, grpc.StatusCode.NOT_FOUND, "Specific(dmgan, 3)"),
            ({"label": "x"}, grpc.StatusCode.INVALID_ARGUMENT, "version label: x"),
        ):
            found = caller.refused(caller.predict, numbers(1, **spec))
            assert found[0] == code and words in found[1]
        stable = f"{server.rest}/dmgan/labels/stable"
        assert post(f"{stable}:predict", INSTANCES) == (200, {"predictions": [42]})
        (status,) = json.loads(ask(stable)[2])["model_version_status"]
        assert status["version"] == "1"
        metadata = json.loads(ask(f"{stable}/metadata")[2])
        assert metadata["model_spec"]["version"] == "1"
        assert post(f"{server.rest}/dmgan/labels/x:predict", INSTANCES)[0] == 400
        asked = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        asked.model_spec.name, asked.model_spec.version_label = "dmgan", "stable"
        assert caller.metadata(asked).model_spec.version.value == 1


def test_more_than_the_newest_version_and_zero_for_the_newest(plain, tmp_path):
    folder = tmp_path / "dmgan"
    folder.mkdir()
    for number in (0, 1, 2):
        add(plain, folder, number)
    with serve(folder, tmp_path / "log.txt", "--num-versions", 2) as server:
        caller = Caller(server)
        assert states(server) == {2: "AVAILABLE", 1: "AVAILABLE"}
        assert caller.answered_by(version=0) == 2
        assert caller.answered_by(version=1) == 1
        assert post(f"{server.rest}/dmgan/versions/0:predict", INSTANCES)[0] == 200
        asked = get_model_status_pb2.GetModelStatusRequest()
        asked.model_spec.name, asked.model_spec.version.value = "dmgan", 0
        assert len(caller.status(asked).model_version_status) == 2
        shutil.rmtree(folder / "2")
        eventually(lambda: states(server).get(0) == "AVAILABLE")
        assert caller.answered_by(version=0) == 0
        assert caller.answered_by() == 1


def test_reloading_is_off_unless_it_is_allowed(plain, tmp_path):
    with serve(plain, tmp_path / "log.txt") as server:
        code, words = Caller(server).refused(lambda: Caller(server).reload(dmgan=plain))
        assert (code, "--allow-reload" in words) == (grpc.StatusCode.PERMISSION_DENIED, True)


def test_a_reload_names_folders_below_the_allowed_one(plain, tmp_path):
    allowed = tmp_path / "allowed"
    for name in ("bird", "cat"):
        (allowed / name).mkdir(parents=True)
        add(plain, allowed / name, 1)
    (allowed / "empty").mkdir()
    (allowed / "link").symlink_to(plain)
    code = grpc.StatusCode
    with serve(plain, tmp_path / "log.txt", "--allow-reload", allowed) as server:
        caller = Caller(server)
        for path, wanted in (
            (plain, code.PERMISSION_DENIED),
            (allowed / "link", code.PERMISSION_DENIED),
            (allowed / ".." / "x", code.PERMISSION_DENIED),
            (allowed / "absent", code.NOT_FOUND),
            (allowed / "empty", code.NOT_FOUND),
            ("a\0b", code.INVALID_ARGUMENT),
            ("", code.INVALID_ARGUMENT),
        ):
            found, _ = caller.refused(lambda path=path: caller.reload(bird=path))
            assert found == wanted, path
        assert caller.refused(caller.reload)[0] == code.INVALID_ARGUMENT
        assert caller.answered_by() == 2
        caller.reload(bird=allowed / "bird")
        assert caller.answered_by(model="bird") == 1
        assert caller.refused(caller.predict, numbers(1))[0] == code.NOT_FOUND


def test_a_request_that_is_on_its_way_at_a_reload_is_answered_by_the_new_model(plain, tmp_path):
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        add(plain, tmp_path / name, 1)
    with serve(tmp_path / "old", tmp_path / "log.txt", "--allow-reload", tmp_path) as server:
        opened = http.client.HTTPConnection(urlsplit(server.root).netloc, timeout=60)
        opened.putrequest("POST", "/v1/models/dmgan:predict")
        opened.putheader("Content-Length", "19")
        opened.endheaders(b'{"instances"')
        # Its head has been read when a later request has its answer.
        assert ask(f"{server.rest}/dmgan")[0] == 200
        Caller(server).reload(dmgan=tmp_path / "new")
        opened.send(b": [21]}")
        answer = opened.getresponse()
        assert (answer.status, json.load(answer)) == (200, {"predictions": [42]})
        opened.close()


def test_a_reload_says_which_versions_and_labels(plain, tmp_path):
    folder = tmp_path / "dmgan"
    folder.mkdir()
    for number in (1, 2, 3):
        add(plain, folder, number)
    with serve(folder, tmp_path / "log.txt", "--allow-reload", tmp_path) as server:
        caller = Caller(server)
        change = model_management_pb2.ReloadConfigRequest()
        model = change.config.model_config_list.config.add(name="dmgan", base_path=str(folder))
        model.model_version_policy.latest.num_versions = 2
        caller.reload_config(change)
        assert states(server) == {3: "AVAILABLE", 2: "AVAILABLE"}
        model.version_labels["stable"] = 2
        caller.reload_config(change)
        assert caller.answered_by(label="stable") == 2
        model.version_labels["stable"] = 1
        code, words = caller.refused(caller.reload_config, change)
        assert code == grpc.StatusCode.FAILED_PRECONDITION and "'stable'" in words
        assert caller.answered_by(label="stable") == 2
        assert server.log.read_text().count("version 3 answers") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--version", "cat=1"), "--version names cat, which no --model has."),
        (("--version", "dmgan=x"), "must be NAME=N. Received: dmgan=x"),
        (("--label", "dmgan=1"), "must be NAME/LABEL=N. Received: dmgan=1"),
        (("--allow-reload", "absent"), "absent is no folder"),
        (("--model", "toy_birds"), "first: dmgan export saved-model --model MODEL --out FOLDER."),
        (("--model", "birds=absent"), "must be NAME=FOLDER, the folder of an export."),
    ],
)
def test_wrong_options_are_one_line(tmp_path, options, message):
    process = run("serving.server", "--model", f"dmgan={tmp_path}", *options)
    assert process.returncode == 2
    assert message in process.stderr.splitlines()[-1]
