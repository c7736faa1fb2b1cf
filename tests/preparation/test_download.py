"""Downloads from a real server on the loopback interface."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dmgan_tf.errors import UserError
from dmgan_tf.preparation.download import FILES, File, download
from dmgan_tf.preparation.sole_use import sole_use

CONTENT = bytes(range(256)) * 5000


class Handler(BaseHTTPRequestHandler):
    """Gives CONTENT; /whole knows no ranges, /portal gives words, /cut ends early, /busy waits."""

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Range")))
        begin = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        if self.path == "/absent" or (self.path == "/busy" and len(self.server.asked) < 3):
            self.send_error(404 if self.path == "/absent" else 503)
            return
        body = {"/other": b"y" * len(CONTENT), "/portal": b"please wait"}.get(self.path, CONTENT)
        if self.path in ("/whole", "/portal") or not begin:
            self.send_response(200)
            begin = 0
        else:
            self.send_response(206)
        self.send_header("Content-Length", str(len(body) - begin))
        self.end_headers()
        self.wfile.write(body[begin:-1000] if self.path == "/cut" else body[begin:])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.asked = []
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()


@pytest.fixture
def file(server):
    """Function of paths on the server: a File with these mirrors."""

    def make(*paths):
        mirrors = tuple(f"http://127.0.0.1:{server.server_port}{path}" for path in paths)
        checksum = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
        return File("data.tgz", len(CONTENT), checksum, mirrors)

    return make


def test_file_comes_whole_and_is_fetched_once(file, server, tmp_path):
    for _ in range(2):
        assert download(file("/good"), tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["data.tgz"]


@pytest.mark.parametrize("path", ["/good", "/whole"])
def test_what_is_half_there_goes_on(file, server, tmp_path, path):
    (tmp_path / "data.tgz.partial").write_bytes(CONTENT[:7000])
    assert download(file(path), tmp_path).read_bytes() == CONTENT
    assert server.asked == [(path, "bytes=7000-")]


def test_next_mirror_goes_on_where_the_first_broke_off(file, server, tmp_path):
    assert download(file("/absent", "/cut", "/good"), tmp_path).read_bytes() == CONTENT
    path, begin = server.asked[-1]
    assert path == "/good" and int(begin[6:-1]) > len(CONTENT) - 100_000


def test_busy_server_is_asked_again(file, server, tmp_path):
    assert download(file("/busy"), tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 3


def test_another_file_is_not_kept(file, tmp_path):
    with pytest.raises(UserError, match=r"none of its mirrors.* sent another file: it has not"):
        download(file("/other"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_broken_download_keeps_what_came(file, tmp_path):
    with pytest.raises(UserError, match="or try again: what has come is kept"):
        download(file("/cut"), tmp_path)
    kept = (tmp_path / "data.tgz.partial").read_bytes()
    assert len(kept) > len(CONTENT) - 100_000 and CONTENT.startswith(kept)


def test_list_of_files_is_well_formed():
    for file in (file for files in FILES.values() for file in files):
        algorithm, _, digest = file.checksum.partition(":")
        assert len(digest) == hashlib.new(algorithm).digest_size * 2
        assert file.mirrors and file.size > 10**8


def test_page_of_words_takes_nothing_of_what_has_come(file, tmp_path):
    (tmp_path / "data.tgz.partial").write_bytes(CONTENT[:7000])
    with pytest.raises(UserError, match="answers with 11 bytes instead of"):
        download(file("/portal"), tmp_path)
    assert (tmp_path / "data.tgz.partial").read_bytes() == CONTENT[:7000]


def test_another_file_of_the_same_size_is_told(file, server, tmp_path):
    (tmp_path / "data.tgz").write_bytes(b"z" * len(CONTENT))
    with pytest.raises(UserError, match="is another file of the same size"):
        download(file("/good"), tmp_path)
    assert not server.asked


def test_file_without_a_known_checksum_is_held_to_its_size(file, server, tmp_path):
    unknown = file("/good")._replace(checksum=None)
    for _ in range(2):
        assert download(unknown, tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 1
    with pytest.raises(UserError, match="answers with 1280000 bytes instead of 1280001"):
        download(unknown._replace(name="more", size=len(CONTENT) + 1), tmp_path)


def test_two_runs_do_not_write_into_one_part(file, server, tmp_path):
    part = tmp_path / "data.tgz.partial"
    part.write_bytes(CONTENT[:7000])
    with (
        sole_use(part),
        pytest.raises(UserError, match=r"data\.tgz\.partial: another run is writing there"),
    ):
        download(file("/good"), tmp_path)
    assert part.read_bytes() == CONTENT[:7000] and not server.asked
    assert download(file("/good"), tmp_path).read_bytes() == CONTENT
