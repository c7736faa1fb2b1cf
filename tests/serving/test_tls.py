"""gRPC and REST behind TLS."""

import json
import ssl
import urllib.request

import grpc
import pytest
import trustme
from command_lines import run
from running_server import serve

pytestmark = pytest.mark.slow

OPTIONS = "--caption", "a red bird", "--seed", 1, "--attempts", 1, "--timeout", 20


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Files of a certificate for localhost, its key, and the authority that signed it."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    issued.cert_chain_pems[0].write_to_path(folder / "certificate.pem")
    authority.cert_pem.write_to_path(folder / "root.pem")
    return folder


@pytest.fixture(scope="module")
def secure_server(exported, certificates, tmp_path_factory):
    options = "--certificate", certificates / "certificate.pem", "--private-key"
    log = tmp_path_factory.mktemp("server") / "log.txt"
    with serve(exported, log, *options, certificates / "key.pem") as running:
        yield running


def localhost(address):
    return address.replace("127.0.0.1", "localhost")


def test_a_client_that_knows_the_authority_gets_a_picture(secure_server, certificates, tmp_path):
    address, out = localhost(secure_server.address), tmp_path / "bird.png"
    root = "--root-certificates", certificates / "root.pem"
    process = run("serving.client", "--address", address, *root, *OPTIONS, "--out", out)
    assert process.returncode == 0, process.stderr
    assert out.read_bytes().startswith(b"\x89PNG")
    context = ssl.create_default_context(cafile=certificates / "root.pem")
    url = localhost(secure_server.rest).replace("http:", "https:") + "/dmgan"
    with urllib.request.urlopen(url, context=context) as answer:
        assert json.load(answer)["model_version_status"][0]["state"] == "AVAILABLE"


def test_a_certificate_of_another_key_is_one_line(exported, certificates, tmp_path):
    trustme.CA().issue_cert("localhost").private_key_pem.write_to_path(tmp_path / "key.pem")
    files = "--certificate", certificates / "certificate.pem", "--private-key", tmp_path / "key.pem"
    process = run(
        "serving.server", "--model", f"dmgan={exported}", "--port", 0, "--rest-port", 0, *files
    )
    assert process.returncode == 2
    assert "no certificate and its key" in process.stderr.splitlines()[-1]


def test_others_get_nothing(secure_server, tmp_path):
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    address = localhost(secure_server.address)
    for extra in ((), ("--root-certificates", other)):
        process = run("serving.client", "--address", address, *extra, *OPTIONS)
        assert process.returncode == 2
        assert f"{address}: {grpc.StatusCode.UNAVAILABLE.name}" in process.stderr
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(localhost(secure_server.rest).replace("http:", "https:"))
