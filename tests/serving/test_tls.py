"""gRPC and REST behind TLS: certificates of both sides, and new ones while the server runs."""

import contextlib
import http.client
import json
import socket
import ssl
import urllib.request

import grpc
import pytest
import trustme
from command_lines import run
from cryptography.hazmat.primitives import serialization
from requests_and_answers import doubled, eventually, numbers
from running_server import serve
from tensorflow_serving.apis import prediction_service_pb2_grpc
from tls_files import Files, localhost, replace

pytestmark = pytest.mark.slow

OPTIONS = "--caption", "a red bird", "--seed", 1, "--attempts", 1, "--timeout", 20


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return Files(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def secure_server(exported, files, tmp_path_factory):
    with serve(exported, tmp_path_factory.mktemp("server") / "log.txt", *files.server) as running:
        yield running


def https_status(server, root, own=None, tmp_path=None):
    """HTTP status of the model's address."""
    context = ssl.create_default_context(cadata=root.decode())
    if own:
        (tmp_path / "own.pem").write_bytes(b"".join(own))
        context.load_cert_chain(tmp_path / "own.pem")
    url = localhost(server.rest).replace("http:", "https:") + "/dmgan"
    with urllib.request.urlopen(url, context=context, timeout=30) as answer:
        return answer.status


def grpc_answer(server, root, own=()):
    """What a new connection is answered: numbers, or a code."""
    credentials = grpc.ssl_channel_credentials(root, *own)
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.secure_channel(localhost(server.address), credentials, options) as channel:
        predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
        try:
            return doubled(predict(numbers(4), timeout=20))
        except grpc.RpcError as error:
            return error.code()


def test_a_client_that_knows_the_authority_gets_a_picture(secure_server, files, tmp_path):
    address, out = localhost(secure_server.address), tmp_path / "bird.png"
    root = "--root-certificates", files.root
    process = run("serving.client", "--address", address, *root, *OPTIONS, "--out", out)
    assert process.returncode == 0, process.stderr
    assert out.read_bytes().startswith(b"\x89PNG")
    assert https_status(secure_server, files.root.read_bytes()) == 200


def test_others_get_nothing(secure_server, tmp_path):
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    address = localhost(secure_server.address)
    for extra in ((), ("--root-certificates", other)):
        process = run("serving.client", "--address", address, *extra, *OPTIONS)
        assert process.returncode == 2
        assert f"{address}: no server can be reached" in process.stderr
        assert "--root-certificates" in process.stderr
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(localhost(secure_server.rest).replace("http:", "https:"))


def wrong_files():
    key = trustme.CA().issue_cert("localhost").private_key_pem.bytes()
    private = serialization.load_pem_private_key(key, None)
    encrypted = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    words = "no certificate and its key"
    return [
        ("--private-key", key, words),
        ("--private-key", encrypted, words),
        ("--certificate", b"-----BEGIN CERTIFICATE-----\n", words),
        ("--client-authorities", b"", words),
        ("--token-file", b"two words\nand \xff", "must hold tokens, one a line"),
        ("--token-file", b"\n", "must hold tokens, one a line"),
        ("--token-file", b"0123456789abcdef", "end with a line break"),
    ]


@pytest.mark.parametrize(
    ("option", "content", "words"),
    wrong_files(),
    ids=[
        "another's key",
        "locked key",
        "half",
        "no authority",
        "no token",
        "empty",
        "half a token",
    ],
)
def test_files_that_do_not_fit_are_one_line(plain, files, tmp_path, option, content, words):
    (tmp_path / "wrong").write_bytes(content)
    given = *files.server, option, tmp_path / "wrong"
    ports = "--port", 0, "--rest-port", 0
    process = run("serving.server", "--model", f"dmgan={plain}", *ports, *given, timeout=60)
    assert process.returncode == 2
    line = process.stderr.splitlines()[-1]
    assert words in line and str(tmp_path / "wrong") in line


def test_only_clients_with_a_certificate_are_answered(plain, files, tmp_path):
    options = *files.server, "--client-authorities", files.clients
    with serve(plain, tmp_path / "log.txt", *options) as server:
        root = files.root.read_bytes()
        assert grpc_answer(server, root, files.client()) == [8]
        assert https_status(server, root, files.client(), tmp_path) == 200
        for own in (None, files.client(trustme.CA())):
            assert grpc_answer(server, root, own or ()) == grpc.StatusCode.UNAVAILABLE
            with pytest.raises((OSError, http.client.HTTPException)):
                https_status(server, root, own, tmp_path)
        for path, content in zip(("key", "certificate"), files.client(), strict=True):
            (tmp_path / path).write_bytes(content)
        own = "--certificate", tmp_path / "certificate", "--private-key", tmp_path / "key"
        given = "--root-certificates", files.root, *own, "--status"
        process = run("serving.client", "--address", localhost(server.address), *given)
        assert json.loads(process.stdout) == {"2": "AVAILABLE"}, process.stderr


def test_new_certificates_are_used_without_a_restart_and_damaged_ones_are_not(plain, tmp_path):
    files = Files(tmp_path)
    options = *files.server, "--client-authorities", files.clients
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serve(plain, tmp_path / "log.txt", *options))
        old, own = files.root.read_bytes(), files.client()
        credentials = grpc.ssl_channel_credentials(old, *own)
        kept = stack.enter_context(grpc.secure_channel(localhost(server.address), credentials))
        predict = prediction_service_pb2_grpc.PredictionServiceStub(kept).Predict
        assert doubled(predict(numbers(1))) == [2]
        good = files.certificate.read_bytes()
        for damaged in (good[: len(good) // 2], b"", b"\xff" * 100):
            before = server.log.read_text().count("the one before stays in use")
            replace(files.certificate, damaged)
            eventually(lambda n=before: server.log.read_text().count("stays in use") == n + 1)
            assert grpc_answer(server, old, own) == [8]
            assert https_status(server, old, own, tmp_path) == 200
        files.renew()
        new = files.root.read_bytes()
        eventually(lambda: grpc_answer(server, new, own) == [8])
        eventually(lambda: https_status(server, new, own, tmp_path) == 200)
        assert grpc_answer(server, old, own) == grpc.StatusCode.UNAVAILABLE
        assert server.log.read_text().count("stays in use") >= 3
        # The connection that was there goes on.
        assert doubled(predict(numbers(3))) == [6]
        later = files.client(files.renew_clients())
        eventually(lambda: grpc_answer(server, new, later) == [8])
        assert https_status(server, new, later, tmp_path) == 200
        assert grpc_answer(server, new, own) == grpc.StatusCode.UNAVAILABLE
        with pytest.raises((OSError, http.client.HTTPException)):
            https_status(server, new, own, tmp_path)


def test_sessions_of_a_client_whose_authority_was_removed_end_with_it(plain, tmp_path):
    files = Files(tmp_path)
    options = *files.server, "--client-authorities", files.clients
    with serve(plain, tmp_path / "log.txt", *options) as server:
        (tmp_path / "own.pem").write_bytes(b"".join(files.client()))
        found = {}
        for name, address in (("grpc", server.address), ("rest", server.root[len("http://") :])):
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                context = ssl.create_default_context(cafile=files.root)
                context.maximum_version = version
                context.load_cert_chain(tmp_path / "own.pem")
                context.set_alpn_protocols(["h2"])
                with contextlib.suppress(OSError):
                    found[name, address, context] = session(address, context)
        # REST has no TLS 1.2 here: its sessions can't be ended.
        assert [name for name, _, _ in found] == ["grpc", "grpc", "rest"]
        files.renew_clients()
        eventually(lambda: "clients.pem: renewed." in server.log.read_text())
        for (_, address, context), before in found.items():
            with pytest.raises(OSError):
                session(address, context, before)


def session(address, context, before=None):
    """A new connection's session, after an answer to the first bytes."""
    host, _, port = address.rpartition(":")
    with (
        socket.create_connection((host, int(port)), timeout=30) as opened,
        context.wrap_socket(opened, server_hostname="localhost", session=before) as secure,
    ):
        secure.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
        if not secure.recv(1):
            raise ConnectionResetError
        found = secure.session
        with contextlib.suppress(OSError):
            secure.unwrap()  # otherwise the server forgets the session
        return found


def test_a_handshake_that_does_not_come_ends_the_connection(plain, files, tmp_path):
    with serve(plain, tmp_path / "log.txt", *files.server, "--receive-seconds", 1) as server:
        for address in (server.address, server.root.removeprefix("http://")):
            host, _, port = address.rpartition(":")
            with socket.create_connection((host, int(port)), timeout=30) as opened:
                opened.sendall(b"\x16\x03\x01")
                with contextlib.suppress(ConnectionResetError):
                    while opened.recv(100):
                        pass
