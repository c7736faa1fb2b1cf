"""TFRecord files of examples with `key`, `jpg`, `txt` and further values, as img2dataset writes."""

import struct
from collections.abc import Iterator
from pathlib import Path

from dmgan_tf.preparation.entry import LeftOut
from dmgan_tf.preparation.picture_place import MOST_BYTES, Span, grows
from dmgan_tf.preparation.sources.samples import Sample, Wanted

SUFFIX = ".tfrecord"
_HEADER_BYTES, _CHECKSUM_BYTES = 12, 4  # length and its checksum; checksum of the record


def read(path: Path, wanted: Wanted) -> Iterator[Sample | LeftOut]:
    """The samples of a file. Checksums are not looked at: pictures are decoded to the end.

    Raises: ValueError: where it is damaged or cut short.
    """
    for number, (offset, record) in enumerate(_records(path)):
        try:
            values = _values(record)
        except ValueError as error:
            yield LeftOut(f"{number:09d}", str(error))
            continue
        key = values.get("key", b"")
        name = key.decode(errors="replace") if isinstance(key, bytes) and key else f"{number:09d}"
        kinds = (k for k in wanted.image_keys if isinstance(values.get(k), bytes))
        kind = next(kinds, "")
        if picture := values.get(kind):
            span = Span(offset + record.index(picture), len(picture), grows(kind))
            yield Sample(name, path, span, values)
        else:
            yield LeftOut(name, f"has no picture: there is {', '.join(values)[:200]}")


def _records(path):
    """(offset, bytes) of each record."""
    end = path.stat().st_size
    with path.open("rb") as file:
        while (offset := file.tell() + _HEADER_BYTES) < end + _HEADER_BYTES:
            header = file.read(_HEADER_BYTES)
            length = struct.unpack("<Q", header[:8])[0] if len(header) == _HEADER_BYTES else end
            if length > min(2 * MOST_BYTES, end - offset - _CHECKSUM_BYTES):
                raise ValueError("is damaged or cut short")
            yield offset, file.read(length)
            file.seek(_CHECKSUM_BYTES, 1)


def _values(record):
    """The first value of each feature."""
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    try:
        example = tf.train.Example.FromString(record)
    except DecodeError as error:
        raise ValueError(f"is a record that is no tf.train.Example: {error}") from error
    values = {}
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        if kind and (found := getattr(feature, kind).value):
            values[name] = found[0] if len(found) == 1 else list(found)
    return values
