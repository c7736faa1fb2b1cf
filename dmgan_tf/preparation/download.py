"""Downloads of data sets from a list of mirrors, gone on where they stopped, and checked."""

import hashlib
import logging
from pathlib import Path
from typing import NamedTuple

import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.util import Retry

from dmgan_tf.errors import UserError
from dmgan_tf.preparation.sole_use import sole_use

_LOGGER = logging.getLogger(__name__)
_TIMEOUT_SECONDS = 60
_CHUNK_BYTES = 2**16  # so much at most is fetched again


class File(NamedTuple):
    """A file and where it is to be had.

    `checksum` is "md5:…" or "sha256:…", hexadecimal; None: not known, the size alone is held.
    """

    name: str
    size: int
    checksum: str | None
    mirrors: tuple[str, ...]


FILES = {
    "cub": (
        File(
            "CUB_200_2011.tgz",
            1_150_585_339,
            "md5:97eceeb196236b17998738112f37df78",
            (
                "https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz?download=1",
                "https://data.caltech.edu/api/records/65de6-vp158/files/CUB_200_2011.tgz/content",
            ),
        ),
    ),
    "coco": (
        File(
            "train2014.zip",
            13_510_573_713,
            "md5:0da8c0bd3d6becc4dcb32757491aca88",
            ("http://images.cocodataset.org/zips/train2014.zip",),
        ),
        File(
            "val2014.zip",
            6_645_013_297,
            "md5:a3d79f5ed8d289b7a7554ce06a5782b3",
            ("http://images.cocodataset.org/zips/val2014.zip",),
        ),
        File(
            "annotations_trainval2014.zip",
            252_872_794,
            "md5:0a379cfc70b0e71301e0f377548639bd",
            ("http://images.cocodataset.org/annotations/annotations_trainval2014.zip",),
        ),
    ),
}


def download(file: File, folder: Path) -> Path:
    """Fetches a file, whole and checked; what is there already is kept, what is half there goes on.

    Raises: UserError: when no mirror gives it, what came isn't it, or another run fetches it.
    """
    path = folder / file.name
    if path.is_file() and path.stat().st_size == file.size:
        if _has_checksum(path, file):
            return path
        raise UserError(f"{path}: is another file of the same size. Move it away.")
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{file.name}.partial"
    with sole_use(partial):
        _fetch_from_any(file, partial)
        partial.rename(path)
    return path


def _fetch_from_any(file, partial):
    for url in file.mirrors:
        try:
            _fetch(url, partial, file)
            _check(partial, file)
        except (requests.RequestException, UserError) as error:
            failure = f"{url}: {' '.join(str(error).split())[:200]}"
            _LOGGER.warning("%s", failure)
        else:
            return
    raise UserError(
        f"{file.name}: could be had from none of its mirrors; the last: {failure}. Fetch it by "
        f"hand into {partial.parent}, or try again: what has come is kept."
    )


def _fetch(url, partial, file):
    """Adds to `partial` what it lacks."""
    have = partial.stat().st_size if partial.is_file() else 0
    if have > file.size:
        partial.unlink()
        have = 0
    if have == file.size:
        return
    with requests.Session() as session:
        retry = Retry(total=5, backoff_factor=1, status_forcelist=(429, 500, 502, 503, 504))
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=retry))
        headers = {"Range": f"bytes={have}-", "Accept-Encoding": "identity"}
        with session.get(url, headers=headers, stream=True, timeout=_TIMEOUT_SECONDS) as answer:
            answer.raise_for_status()
            resumed = answer.status_code == requests.codes.partial_content
            start = have if resumed else 0  # a server that knows no ranges sends all of it
            _check_answer(answer, start, file)
            with (
                partial.open("ab" if resumed else "wb") as target,
                tqdm(
                    total=file.size, initial=start, unit="B", unit_scale=True, desc=file.name
                ) as bar,
            ):
                for chunk in answer.iter_content(_CHUNK_BYTES):
                    start += len(chunk)
                    if start > file.size:
                        raise UserError(f"sends more than the {file.size:,} bytes of {file.name}")
                    target.write(chunk)
                    bar.update(len(chunk))


def _check_answer(answer, start, file):
    """Refuses a page of words, or the wrong part, before it takes the place of what has come."""
    length = answer.headers.get("Content-Length")
    if length and int(length) != file.size - start:
        raise UserError(f"answers with {length} bytes instead of {file.size - start}")
    place = answer.headers.get("Content-Range", f"bytes {start}-")
    if not place.startswith(f"bytes {start}-"):
        raise UserError(f"answers with {place!r} where bytes from {start} on were asked for")


def _check(partial, file):
    size = partial.stat().st_size
    if size != file.size:
        raise UserError(f"sent {size:,} of {file.size:,} bytes")
    if not _has_checksum(partial, file):
        partial.unlink()
        raise UserError(f"sent another file: it has not the checksum {file.checksum}")


def _has_checksum(path, file):
    if file.checksum is None:
        return True
    algorithm, _, wanted = file.checksum.partition(":")
    with path.open("rb") as content:
        return hashlib.file_digest(content, algorithm).hexdigest() == wanted
