"""Texts of millions of pictures as arrays, in memory or on disk: none is a Python object."""

from array import array
from collections.abc import Iterable, Sequence

import numpy as np


class _Lazy(Sequence):
    """Items that are made when they are asked for; a slice is a tuple of them."""

    def __getitem__(self, place):
        if isinstance(place, slice):
            return tuple(self[i] for i in range(*place.indices(len(self))))
        if not -len(self) <= place < len(self):
            raise IndexError(f"{place} of {len(self)}")  # which also ends an iteration
        return self._item(int(place) % len(self))

    def __eq__(self, other):
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]

    def _item(self, place):
        """The item at a place counted from 0 on."""
        raise NotImplementedError


class Texts(_Lazy):
    """N strings.

    Args: content: uint8 [bytes], UTF-8, one after another. ends: int64 [N + 1], from 0 on.
    Raises: ValueError: when the two don't belong together.
    """

    def __init__(self, content: np.ndarray, ends: np.ndarray):
        if ends[-1] != len(content):
            raise ValueError("texts and their ends don't belong together")
        self.content, self.ends = content, ends

    def __len__(self):
        return len(self.ends) - 1

    def _item(self, place):
        start, end = self.ends[place : place + 2]
        return self.content[start:end].tobytes().decode("utf-8", "surrogatepass")


class CaptionRows(_Lazy):
    """The captions of N pictures, a tuple of strings each.

    Args: texts: all of them. firsts: int64 [N + 1], place of each picture's first one.
    """

    def __init__(self, texts: Texts, firsts: np.ndarray):
        self.texts, self.firsts = texts, firsts

    def __len__(self):
        return len(self.firsts) - 1

    def _item(self, place):
        start, end = self.firsts[place : place + 2]
        return self.texts[int(start) : int(end)]


class TextCollector:
    """Makes `Texts` of one text after another."""

    def __init__(self):
        self._content, self._ends = bytearray(), array("q", [0])

    def __len__(self):
        return len(self._ends) - 1

    def extend(self, texts: Iterable[str]) -> None:
        """Raises: AttributeError: for what is no text."""
        for text in texts:
            self._content += text.encode("utf-8", "surrogatepass")
            self._ends.append(len(self._content))

    def texts(self) -> Texts:
        return Texts(np.frombuffer(self._content, np.uint8), np.frombuffer(self._ends, np.int64))
