"""Sizes that a stranger's description gives a network, held against its weights before it is built.

Without it a line of JSON can ask for all memory there is.
"""

import math
import random
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import h5py
import keras


class StoredSizes(NamedTuple):
    """What a file of weights holds."""

    arrays: int
    elements: int


def stored_sizes(file: h5py.File) -> StoredSizes:
    """Raises: ValueError: when an array is larger than what is stored of it."""
    sizes = []

    def add(name, item):
        if isinstance(item, h5py.Dataset):
            if item.id.get_storage_size() < item.nbytes:
                raise ValueError(f"{name[:100]} is declared larger than it is stored")
            sizes.append(item.size)

    file.visititems(add)
    return StoredSizes(len(sizes), sum(sizes))


def fits(make: Callable[[], keras.Model], config: Mapping[str, Any], stored: StoredSizes) -> bool:
    """Whether a network takes no more than is stored; nothing of its weights is made.

    Args: make: function that makes the network and builds it. config: what it makes it from.
    """
    numbers = [value for value in config.values() if isinstance(value, int)]
    if max(numbers, default=0) > stored.elements:
        return False
    # The two numbers that aren't sizes but counts of layers, each of which has an array.
    if config.get("stages", 1) * (config.get("residual_blocks", 0) + 1) > stored.arrays:
        return False
    seeds = random.getstate()
    try:
        # Keras keeps the variables that await their values by thread: with this one they are gone.
        with ThreadPoolExecutor(1) as executor:
            weights = executor.submit(_weights_without_values, make).result()
    finally:
        random.setstate(seeds)  # of which initialisers take theirs
    return sum(math.prod(weight.shape) for weight in weights) <= stored.elements


def _weights_without_values(make):
    with keras.StatelessScope(initialize_variables=False):
        return make().weights
