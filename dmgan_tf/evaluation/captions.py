"""Which captions are drawn, in which order, with which noise."""

from collections.abc import Collection, Sequence
from itertools import cycle, islice
from typing import NamedTuple

import numpy as np

from dmgan_tf.errors import UserError


class Place(NamedTuple):
    """Caption `caption` of picture `picture` of a split, to be drawn with `seed`."""

    picture: int
    caption: int
    seed: int


def places(
    captions: Sequence[Sequence[str]], count: int, seed: int, seen: Collection[str] = ()
) -> list[Place]:
    """`count` captions to draw.

    The pictures come in a random order, each with one of its captions; then each with the next, and
    so on. When all captions are used they come again, with other noise.

    Args: captions: of every picture. seed: of the order; picture k is drawn with seed + k.
        seen: captions to leave out.
    Raises: UserError: when none is left.
    """
    order = np.random.default_rng(seed).permutation(len(captions))
    usable = []
    for k, i in enumerate(order):
        size = len(captions[i])
        rotated = ((k + j) % size for j in range(size))
        usable.append((int(i), [j for j in rotated if captions[i][j] not in seen]))
    longest = max((len(chosen) for _, chosen in usable), default=0)
    if not longest:
        raise UserError("Every caption of the test split stands in the training split as well.")
    pairs = [(i, chosen[r]) for r in range(longest) for i, chosen in usable if r < len(chosen)]
    chosen = islice(cycle(pairs), count)
    return [Place(picture, caption, seed + k) for k, (picture, caption) in enumerate(chosen)]


def distinct(captions: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """The different captions, by their first use, and int [N], which of them each is."""
    rows: dict[str, int] = {}
    of_each = [rows.setdefault(caption, len(rows)) for caption in captions]
    return list(rows), np.array(of_each)
