"""`dmgan studio`: a folder that is whole or not there, and its server."""

import hashlib
import http.client
import json
import re
import shutil
import signal
import subprocess
import sys
import threading

import pytest
from browser import lack
from command_lines import environment, refuse

from dmgan_tf.inference import presets
from dmgan_tf.studio import folder
from dmgan_tf.studio.static_server import make_server

PRESET = presets.ROOT / "toy_birds"


@pytest.fixture
def parts(tmp_path, monkeypatch):
    """An export of the preset and a runtime that are there, though nothing draws with them."""
    monkeypatch.setattr(folder, "RUNTIME", tmp_path / "parts" / "runtime")
    monkeypatch.setattr(folder, "EXPORTED", tmp_path / "parts" / "exported")
    folder.RUNTIME.mkdir(parents=True)
    (folder.RUNTIME / "ort-wasm-simd-threaded.wasm.gzip").write_bytes(b"\x1f\x8b")
    export = folder.EXPORTED / "toy_birds"
    export.mkdir(parents=True)
    (export / folder.STAGES).write_bytes(b"graph")
    shutil.copyfile(PRESET / "vocabulary.json", export / folder.WORDS)
    described = {
        name: {"sha256": hashlib.sha256((export / name).read_bytes()).hexdigest()}
        for name in (folder.STAGES, folder.WORDS)
    }
    manifest = {"format": 1, "max_words": 25, "noise_size": 32, "condition_size": 32}
    manifest |= {"fingerprint": presets.load_card(PRESET).fingerprint, "files": described}
    (export / folder.MANIFEST).write_text(json.dumps(manifest))
    return export


def studio(*options):
    return refuse("studio.__main__", *options)


def test_folder_holds_page_runtime_and_model_and_describes_every_file(parts, tmp_path):
    out = tmp_path / "out"
    folder.write(PRESET, out)
    described = json.loads((out / "studio.json").read_text(encoding="utf-8"))
    assert described["name"] == "toy_birds"
    assert described["fingerprint"] == presets.load_card(PRESET).fingerprint
    assert described["title"] == presets.load_card(PRESET).title
    found = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}
    assert found == {*described["files"], "studio.json"}
    assert {"index.html", "main.js", "model/stages_float32.onnx"} <= found
    for name, about in described["files"].items():
        content = (out / name).read_bytes()
        assert about == {
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }


def test_an_export_is_taken_as_it_is(parts, tmp_path):
    folder.write(parts, tmp_path / "out")
    assert (tmp_path / "out" / "model" / folder.STAGES).read_bytes() == b"graph"


def test_a_model_of_the_hub_keeps_its_name(parts, tmp_path):
    cached = tmp_path / "models--user--birds" / "snapshots" / ("0" * 40)
    shutil.copytree(parts, cached)
    folder.write(cached, tmp_path / "out")
    described = json.loads((tmp_path / "out" / "studio.json").read_text(encoding="utf-8"))
    assert described["name"] == "user/birds"


def test_missing_runtime_names_the_one_command(parts, tmp_path):
    shutil.rmtree(folder.RUNTIME)
    line = studio("--model", "toy_birds", "--out", tmp_path / "out")
    assert line.endswith(f"Get it with npm: npm ci --prefix {folder.HERE}.")
    assert not (tmp_path / "out").exists()


def test_all_that_a_studio_lacks_is_told_at_once(parts, tmp_path, monkeypatch):
    shutil.rmtree(folder.RUNTIME)
    shutil.rmtree(folder.EXPORTED)
    monkeypatch.setattr(folder, "_EXPORTING", ("no_such_package",))
    line = studio("--model", "toy_birds", "--out", tmp_path / "out")
    assert "pip install 'dmgan_tf[onnx]'" in line and "npm ci --prefix" in line


def test_changed_export_is_refused_and_nothing_is_left(parts, tmp_path):
    (parts / folder.STAGES).write_bytes(b"other")
    line = studio("--model", parts, "--out", tmp_path / "new" / "out")
    assert "stages_float32.onnx: is damaged or was changed (SHA-256)" in line
    assert not list((tmp_path / "new").iterdir())


def test_export_without_stages_is_told_the_option(parts, tmp_path):
    (parts / folder.STAGES).unlink()
    line = studio("--model", parts, "--out", tmp_path / "out")
    assert line == f"{parts}: holds no stages_float32.onnx. Export it with --stages."


def test_folder_that_is_there_stays(parts, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes").write_text("mine")
    line = studio("--model", parts, "--out", tmp_path / "out")
    assert line == f"{tmp_path / 'out'} is there already: give another name, or remove it."
    assert (tmp_path / "out" / "notes").read_text() == "mine"


def test_an_export_of_another_version_of_the_preset_is_not_taken(parts):
    manifest = json.loads((parts / folder.MANIFEST).read_text())
    assert folder.exported(PRESET) == parts
    (parts / folder.MANIFEST).write_text(json.dumps(manifest | {"fingerprint": "0" * 16}))
    assert folder.exported(PRESET) is None


@pytest.fixture
def get(parts, tmp_path):
    """The answer of a real server to a request: (status, headers, body)."""
    folder.write(parts, tmp_path / "out")
    (tmp_path / "secret").write_text("mine")
    server = make_server(tmp_path / "out", 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def ask(path, method="GET"):
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
        connection.request(method, path)
        answer = connection.getresponse()
        found = answer.status, answer.headers, answer.read()
        connection.close()
        return found

    with server:
        yield ask
        server.shutdown()
    thread.join(60)


def test_every_answer_is_isolated_and_under_the_pages_policy(get):
    status, found, body = get("/")
    assert status == 200
    policy = found["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self' 'wasm-unsafe-eval';")
    assert policy.endswith("; frame-ancestors 'none'")
    assert policy.removesuffix("; frame-ancestors 'none'") in body.decode()
    assert "'unsafe-inline'" not in policy and "'unsafe-eval'" not in policy
    for path in ("/", "/worker.js", "/nothing"):
        _, found, _ = get(path)
        assert found["Cross-Origin-Opener-Policy"] == "same-origin"
        assert found["Cross-Origin-Embedder-Policy"] == "require-corp"
        assert found["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/main.js", "text/javascript; charset=utf-8"),
        ("/studio.css", "text/css; charset=utf-8"),
        ("/studio.json", "application/json"),
        ("/icon.svg", "image/svg+xml"),
        ("/runtime/ort-wasm-simd-threaded.wasm.gzip", "application/octet-stream"),
        ("/model/stages_float32.onnx", "application/octet-stream"),
    ],
)
def test_every_kind_of_file_has_its_type(get, path, kind):
    status, found, body = get(path)
    assert (status, found["Content-Type"]) == (200, kind)
    assert len(body) == int(found["Content-Length"])


@pytest.mark.parametrize("path", ["/model/", "/../secret", "/%2e%2e/secret", "/absent"])
def test_nothing_else_is_served(get, path):
    status, _, body = get(path)
    assert status == 404
    assert b"mine" not in body


def test_nothing_is_taken(get):
    assert get("/", "POST")[0] == 501


def test_page_fetches_nothing_from_elsewhere():
    for path in folder.PAGE.iterdir():
        found = re.findall(r"(?:https?:)?//[\w.-]+\.\w+", path.read_text(encoding="utf-8"))
        assert set(found) <= {"http://www.w3.org"}, path  # the namespace of SVG
        assert "innerHTML" not in path.read_text(encoding="utf-8"), path


@pytest.mark.slow
def test_command_serves_until_it_is_told_to_stop_and_leaves_nothing(parts, tmp_path):
    if not (folder.HERE / "runtime").is_dir():
        lack("ONNX Runtime Web isn't there: make studio.")
    command = [sys.executable, "-m", "dmgan_tf.studio", "--model", str(parts)]
    process = subprocess.Popen(
        [*command, "--serve", "--port", "0"],
        cwd=tmp_path,
        env=environment() | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        found = re.fullmatch(r"Studio: http://127.0.0.1:(\d+)/\n", process.stdout.readline())
        connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=60)
        connection.request("GET", "/")
        assert connection.getresponse().status == 200
        busy = subprocess.run(
            [*command, "--serve", "--port", found[1]],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert busy.returncode == 2
        assert busy.stderr.endswith("can't be listened on: Address already in use.\n")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
    finally:
        process.kill()
        process.wait()
    assert [path.name for path in tmp_path.iterdir()] == ["parts"]
