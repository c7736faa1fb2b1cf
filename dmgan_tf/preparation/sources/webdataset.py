"""Tars of samples: `KEY.jpg`, `KEY.txt` with the caption, `KEY.json` with further values.

img2dataset writes NNNNN.tar so. Nothing is unpacked: pictures are read where they stand.
"""

import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from dmgan_tf.preparation.archives import is_ordinary, tar_entries
from dmgan_tf.preparation.captions_text import decode
from dmgan_tf.preparation.entry import LeftOut
from dmgan_tf.preparation.picture_place import Span
from dmgan_tf.preparation.sources.samples import Sample, Wanted

SUFFIX = ".tar"
_PICTURES = ("jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff")
_MOST_TEXT_BYTES = 2**20


class _Part(NamedTuple):
    """A member of a sample; of pictures the place alone, of texts the contents."""

    key: str
    kind: str
    span: Span
    content: bytes
    fault: str


def read(path: Path, wanted: Wanted) -> Iterator[Sample | LeftOut]:
    """The samples of a tar. Raises: where it is damaged or cut short."""
    with path.open("rb") as file:
        for key, parts in groupby(_parts(file), lambda part: part.key):
            yield _sample(path, key, list(parts))


def _parts(file):
    for tar, entry in tar_entries(file):
        place = PurePosixPath(entry.name)
        if entry.isdir() or place.name.startswith("."):
            continue
        stem, _, kind = place.name.partition(".")
        kind = kind.rpartition(".")[-1].lower()
        content, fault = b"", ""
        if not is_ordinary(entry):
            fault = f"{place.name} is no ordinary file"
        elif kind in ("txt", "json") and entry.size > _MOST_TEXT_BYTES:
            fault = f"{place.name} is larger than {_MOST_TEXT_BYTES // 2**20} MiB"
        elif kind in ("txt", "json"):
            content = tar.extractfile(entry).read()
        span = Span(entry.offset_data, entry.size)
        yield _Part(str(place.with_name(stem)), kind, span, content, fault)


def _sample(path, key, parts):
    if fault := next((part.fault for part in parts if part.fault), ""):
        return LeftOut(key, fault)
    span = next((part.span for part in parts if part.kind in _PICTURES), None)
    if span is None:
        return LeftOut(key, f"has no picture: there is {', '.join(part.kind for part in parts)}")
    values = {}
    try:
        for part in parts:
            if part.kind == "json":
                values.update(json.loads(decode(part.content, f"{key}.json")))
        for part in parts:
            if part.kind == "txt":
                values["txt"] = decode(part.content, f"{key}.txt")
    except (ValueError, TypeError, RecursionError) as error:
        return LeftOut(key, f"has no values that can be read: {error}")
    return Sample(key, path, span, values)
