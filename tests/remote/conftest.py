"""A folder of fsspec's memory, and a cache of one's own."""

import sys
from pathlib import Path

import fsspec
import pytest

# Small pictures, and training as processes.
sys.path += [str(Path(__file__).parents[1] / folder) for folder in ("preparation", "training")]
from processes import encoders, straight  # noqa: F401 - fixtures


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("DMGAN_TF_CACHE", str(folder))
    return folder


@pytest.fixture
def memory():
    """fsspec's memory, empty; what it holds is `memory://bucket/…`."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pseudo_dirs[:] = [""]
    yield files
    files.store.clear()


@pytest.fixture(scope="session")
def s3_server():
    pytest.importorskip("moto", reason="an S3 server of the extra dev")
    from s3_server import S3Server

    server = S3Server()
    yield server
    server.close()


@pytest.fixture
def s3(s3_server, monkeypatch):
    """s3fs on a server with an empty bucket; processes find it by `os.environ`."""
    import s3fs
    from s3_server import BUCKET

    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    files = s3fs.S3FileSystem()
    if files.exists(BUCKET):
        files.rm(BUCKET, recursive=True)
    files.mkdir(BUCKET)
    return files
