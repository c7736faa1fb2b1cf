"""Which pictures are trained with, and which are for tests."""

import dataclasses
import hashlib
from pathlib import Path

from dmgan_tf.errors import UserError
from dmgan_tf.preparation.captions_text import read_lines
from dmgan_tf.preparation.entry import Found

RULES = ("fraction", "class")
SPLIT_OF = {"train": "train", "test": "test", "validation": "test", "valid": "test", "val": "test"}


def with_splits(found: Found, split: str | None, test_share: float) -> Found:
    """The entries with a split each.

    Args: found: with "" as the split of entries for which their source says nothing. split:
        `fraction` (by a hash of the name: more pictures later move none), `class` (whole classes
        are unseen), or the path of a text file of the test pictures' names; None: as the source
        says, by fraction where it says nothing. test_share: of the pictures or classes.
    Raises: UserError: for an unknown split, or one that doesn't fit the entries.
    """
    chosen = _Split(split or RULES[0], test_share, found)
    entries = [
        entry if entry.split and not split else dataclasses.replace(entry, split=chosen(entry))
        for entry in found.entries
    ]
    return dataclasses.replace(found, entries=entries)


class _Split:
    """Which split an entry belongs to."""

    def __init__(self, split, test_share, found):
        self._test_share = test_share
        self._by_class = split == "class"
        self._test_names = None
        if split in RULES:
            without = next((entry.name for entry in found.entries if entry.class_id is None), None)
            if self._by_class and without:
                raise UserError(f"--split class: {without} has no class_id. Use --split fraction.")
            return
        if not Path(split).is_file():
            raise UserError(
                f"--split {split}: is neither {' nor '.join(RULES)} nor a file with the names of "
                "the test pictures."
            )
        try:
            self._test_names = set(read_lines(Path(split)))
        except (OSError, ValueError) as error:
            raise UserError(f"--split {split}: cannot be read: {error}.") from error
        known = (*found.entries, *found.left_out, *found.excluded)
        unknown = self._test_names - {item.name for item in known}
        if unknown:
            raise UserError(f"--split {split}: names {sorted(unknown)[0]!r}, which is no picture.")

    def __call__(self, entry):
        if self._test_names is not None:
            return "test" if entry.name in self._test_names else "train"
        key = str(entry.class_id) if self._by_class else entry.name
        digest = hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()
        share = int(digest[:8], 16) / 2**32
        return "test" if share < self._test_share else "train"
