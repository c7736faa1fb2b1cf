"""A folder of fsspec's memory, and a cache of one's own."""

import fsspec
import pytest


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
