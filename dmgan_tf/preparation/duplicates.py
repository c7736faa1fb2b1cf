"""Pictures that are there more than once."""

import hashlib
from collections.abc import Iterable

from dmgan_tf.preparation.entry import Entry, LeftOut
from dmgan_tf.preparation.picture_place import read_bytes


def without_duplicates(entries: Iterable[Entry]) -> tuple[list[Entry], list[LeftOut]]:
    """The entries less each whose picture's file has the bytes of an earlier one's, and those."""
    first: dict[bytes, str] = {}  # name by hash
    kept, excluded = [], []
    for entry in entries:
        try:
            content = read_bytes(entry.path, entry.within)
        except (OSError, ValueError):
            kept.append(entry)  # it is told why when it is looked at
            continue
        name = first.setdefault(hashlib.blake2b(content, digest_size=16).digest(), entry.name)
        if name is entry.name:
            kept.append(entry)
        else:
            excluded.append(LeftOut(entry.name, f"is the same picture as {name}"))
    return kept, excluded
