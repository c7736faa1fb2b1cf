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
from dmgan_tf.preparation.picture_place import Span, grows
from dmgan_tf.preparation.sources.samples import Sample, Wanted

SUFFIX = ".tar"
_PICTURES = ("jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff")
_MOST_TEXT_BYTES = 2**20


class _Part(NamedTuple):
    """A member of a sample; of pictures the place alone, of texts the contents.

    As WebDataset has it, `key` ends before the first dot of the name, and `kind` follows it.
    """

    key: str
    kind: str
    span: Span
    content: bytes
    fault: str


def read(path: Path, wanted: Wanted) -> Iterator[Sample | LeftOut]:
    """The samples of a tar. Raises: where it is damaged or cut short."""
    with path.open("rb") as file:
        for key, parts in groupby(_parts(file), lambda part: part.key):
            yield _sample(path, key, list(parts), wanted)


def _parts(file):
    for tar, entry in tar_entries(file):
        place = PurePosixPath(entry.name)
        if entry.isdir() or place.name.startswith("."):
            continue
        stem, _, kind = place.name.partition(".")
        kind = kind.lower()
        content, fault = b"", ""
        if not is_ordinary(entry):
            fault = f"{place.name} is no ordinary file"
        elif _suffix(kind) in ("txt", "json") and entry.size > _MOST_TEXT_BYTES:
            fault = f"{place.name} is larger than {_MOST_TEXT_BYTES // 2**20} MiB"
        elif _suffix(kind) in ("txt", "json"):
            content = tar.extractfile(entry).read()
        span = Span(entry.offset_data, entry.size, grows(kind))
        yield _Part(str(place.with_name(stem)), kind, span, content, fault)


def _suffix(kind):
    return kind.rpartition(".")[-1]


def _picture(parts, kinds):
    """The first of these kinds; `jpg` before a compound one, such as `depth.jpg`."""
    of_kind = {part.kind: part.span for part in reversed(parts)}
    compound = (part.span for part in parts if _suffix(part.kind) in kinds)
    return next((of_kind[kind] for kind in kinds if kind in of_kind), next(compound, None))


def _sample(path, key, parts, wanted):
    if fault := next((part.fault for part in parts if part.fault), ""):
        return LeftOut(key, fault)
    span = _picture(parts, (wanted.image_key.lower(),) if wanted.image_key else _PICTURES)
    if span is None:
        return LeftOut(key, f"has no picture: there is {', '.join(part.kind for part in parts)}")
    values = {}
    try:
        # What has a plain suffix is the sample's own, and overrules `de.txt` or `meta.json`.
        for part in sorted(parts, key=lambda part: "." not in part.kind):
            name = f"{key}.{part.kind}"
            if _suffix(part.kind) == "json":
                found = json.loads(decode(part.content, name))
                if not isinstance(found, dict):
                    raise TypeError(f"{name} is no object")
                values.update(found)
        for part in sorted(parts, key=lambda part: "." not in part.kind):
            if _suffix(part.kind) == "txt":
                text = decode(part.content, f"{key}.{part.kind}")
                values["txt"] = values[part.kind] = text
    except (ValueError, TypeError, RecursionError) as error:
        return LeftOut(key, f"has no values that can be read: {error}")
    return Sample(key, path, span, values)
