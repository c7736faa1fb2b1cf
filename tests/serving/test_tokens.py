"""Bearer tokens: who has none of the server's gets nothing but its health."""

import json

import grpc
import pytest
from command_lines import run
from google.protobuf import empty_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from requests_and_answers import ask, doubled, eventually, numbers
from running_server import serve
from tensorflow_serving.apis import prediction_service_pb2_grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

from dmgan_tf.serving.rest import openapi

BODY = b'{"instances": [21]}'


@pytest.fixture(scope="module")
def guarded(plain, tmp_path_factory):
    """A server, and the file of its tokens."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "tokens").write_text("first-token-of-all\nsecond.token.of.all==\n")
    with serve(plain, folder / "log.txt", "--token-file", folder / "tokens") as server:
        yield server, folder / "tokens"


@pytest.fixture(scope="module")
def channel(guarded):
    with grpc.insecure_channel(guarded[0].address) as opened:
        yield opened


def status(server, header, path="/v1/models/dmgan:predict", body=BODY):
    return ask(server.root + path, body, headers={"Authorization": header} if header else {})


def code(channel, header):
    predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
    try:
        answer = predict(numbers(21), metadata=[("authorization", header)] if header else None)
    except grpc.RpcError as error:
        return error.code()
    assert doubled(answer) == [42]
    return grpc.StatusCode.OK


@pytest.mark.parametrize(
    "header",
    ["Bearer first-token-of-all", "bearer second.token.of.all==", "BEARER  first-token-of-all"],
)
def test_each_token_of_the_file_is_answered(guarded, channel, header):
    assert status(guarded[0], header)[0] == 200
    assert code(channel, header) == grpc.StatusCode.OK


@pytest.mark.parametrize(
    "header",
    [
        None,
        "Bearer",
        "Bearer ",
        "Bearer first-token-of-al",
        "Bearer first-token-of-all2",
        "Bearer first-token-of-all second.token.of.all==",
        "Bearer FIRST-TOKEN-OF-ALL",
        "Basic first-token-of-all",
        "first-token-of-all",
    ],
)
def test_nothing_else_is(guarded, channel, header):
    answered, headers, body = status(guarded[0], header)
    assert (answered, headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "bearer token" in json.loads(body)["error"]
    assert code(channel, header) == grpc.StatusCode.UNAUTHENTICATED


def test_what_is_not_health_is_closed(guarded, channel):
    server, _ = guarded
    for path in ("metrics", "v1/models/dmgan", "v2", "v2/models/dmgan", "v2/health/ready/x", "x"):
        assert status(server, None, f"/{path}", None)[0] == 401
    for method in ("/tensorflow.serving.ModelService/GetModelStatus", "/any/thing", "x"):
        call = channel.unary_unary(method, request_serializer=empty_pb2.Empty.SerializeToString)
        with pytest.raises(grpc.RpcError) as caught:
            call(empty_pb2.Empty())
        assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_health_and_readiness_are_open(guarded, channel):
    server, _ = guarded
    for path in (
        "health/live",
        "health/ready",
        "models/dmgan/ready",
        "models/dmgan/versions/2/ready",
    ):
        assert status(server, None, f"/v2/{path}", None)[0] == 200
    health = health_pb2_grpc.HealthStub(channel)
    answer = health.Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    triton = service_pb2_grpc.GRPCInferenceServiceStub(channel)
    assert triton.ServerLive(service_pb2.ServerLiveRequest()).live
    assert triton.ServerReady(service_pb2.ServerReadyRequest()).ready
    assert triton.ModelReady(service_pb2.ModelReadyRequest(name="dmgan")).ready


def test_the_description_says_which_paths_are_open(guarded):
    values = {"name": "dmgan", "version": "2", "label": "stable"}
    for path, item in openapi()["paths"].items():
        for method in item.keys() - {"parameters"}:
            answered = ask(guarded[0].root + path.format(**values), None, method.upper())[0]
            assert (answered == 401) == ("401" in item[method]["responses"])
            assert (answered == 401) == (item[method].get("security") != [])


def test_the_client_sends_the_first_token_of_its_file(guarded, tmp_path):
    server, tokens = guarded
    command = "serving.client", "--address", server.address, "--status", "--plaintext-token"
    command += ("--token-file",)
    assert json.loads(run(*command, tokens).stdout) == {"2": "AVAILABLE"}
    for content, words in (
        ("another", "UNAUTHENTICATED"),
        ("", "holds no token"),
        ("two words", "holds no token"),
    ):
        (tmp_path / "token").write_text(content)
        process = run(*command, tmp_path / "token")
        assert process.returncode == 2
        assert words in process.stderr and len(process.stderr.splitlines()) == 1


def test_new_tokens_are_used_without_a_restart_and_damaged_ones_are_not(plain, tmp_path):
    tokens = tmp_path / "tokens"
    old, new = "the-old-token-of-all", "the-new-token-of-all"

    def replace(content):
        (tmp_path / "partial").write_bytes(content.encode("latin-1"))
        (tmp_path / "partial").rename(tokens)

    def kept(times):
        return server.log.read_text().count("the one before stays in use") == times

    replace(f"{old}\n")
    with (
        serve(plain, tmp_path / "log.txt", "--token-file", tokens) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        # No text, half a token, one that could be guessed, a line of several.
        damaged = "\xff half\n", f"{new}\n{new}", "short\n", f"user {new}\n"
        for times, content in enumerate(damaged, start=1):
            replace(content)
            eventually(lambda times=times: kept(times))
            assert status(server, f"Bearer {old}")[0] == 200
            assert status(server, f"Bearer {new}")[0] == 401
        tokens.unlink()
        eventually(lambda: kept(5))
        assert code(channel, f"Bearer {old}") == grpc.StatusCode.OK
        replace(f"{old}\n\n  {new} \n")
        eventually(lambda: status(server, f"Bearer {new}")[0] == 200)
        assert status(server, f"Bearer {old}")[0] == 200
        replace(f"{new}\n")
        eventually(lambda: status(server, f"Bearer {old}")[0] == 401)
        assert code(channel, f"Bearer {old}") == grpc.StatusCode.UNAUTHENTICATED
        assert code(channel, f"Bearer {new}") == grpc.StatusCode.OK
        answer = ask(f"{server.root}/metrics", headers={"Authorization": f"Bearer {new}"})
        assert b'protocol="rest"' in answer[2] and b'code="UNAUTHENTICATED"' in answer[2]
