"""Names of folders and files on a store, and what is fetched and uploaded at once."""

import pytest

from dmgan_tf.errors import UserError
from dmgan_tf.remote.store import Store, is_plain, is_remote, url_of

URL = "memory://bucket/folder"


def test_names():
    assert is_remote("s3://bucket/a") and is_remote("s3:/bucket/a") and is_remote("gs://bucket")
    assert not any(is_remote(n) for n in ("runs/cub", "C:/runs", "s3:", "hf://a/b", "s3/bucket"))
    assert url_of("s3:/bucket/a/") == url_of("s3://bucket/a") == "s3://bucket/a"
    assert url_of("runs/cub") == "runs/cub"


@pytest.mark.parametrize(
    "name", ["", "/a", "a/../b", "..", "./a", "a//b", "a\\b", ".a", "C:a", "a\n"]
)
def test_names_that_leave_the_folder_are_not_plain(name):
    assert not is_plain(name)


def test_plain_names():
    assert is_plain("checkpoints/step_00000003/variables.data-00000-of-00001")
    assert is_plain("tensorboard/events.out.tfevents.1.host.2.0.v2")


@pytest.mark.parametrize("url", ["memory://bucket/../a", "memory://a::file://b"])
def test_urls_that_mean_something_else_are_refused(url):
    with pytest.raises(UserError, match="must be memory://bucket/folder"):
        Store(url)


def test_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gcsfs", None)
    with pytest.raises(UserError, match=r"^gs://b/c: needs the package gcsfs: pip install gcsfs$"):
        Store("gs://b/c")


def test_few_files_are_uploaded_at_once(memory, monkeypatch, tmp_path):
    path, put, counts = tmp_path / "a.txt", memory.put, []
    path.write_text("a")
    monkeypatch.setattr(
        memory, "put", lambda here, there: (counts.append(len(here)), put(here, there))
    )
    Store(URL).put(dict.fromkeys(map(str, range(100)), path))
    assert max(counts) < 10 and Store(URL).files().keys() == set(map(str, range(100)))
