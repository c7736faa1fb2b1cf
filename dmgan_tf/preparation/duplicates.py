"""Pictures that are there more than once."""

import dataclasses
import hashlib

from dmgan_tf.preparation.entry import Found, LeftOut
from dmgan_tf.preparation.picture_place import read_bytes


def without_duplicates(found: Found) -> Found:
    """Leaves out every picture whose file has the bytes of an earlier one's."""
    first: dict[bytes, str] = {}  # name by hash
    entries, left_out = [], list(found.left_out)
    for entry in found.entries:
        try:
            content = read_bytes(entry.path, entry.within)
        except (OSError, ValueError):
            entries.append(entry)  # it is told why when it is looked at
            continue
        name = first.setdefault(hashlib.blake2b(content, digest_size=16).digest(), entry.name)
        if name is entry.name:
            entries.append(entry)
        else:
            left_out.append(LeftOut(entry.name, f"is the same picture as {name}"))
    return dataclasses.replace(found, entries=entries, left_out=left_out)
