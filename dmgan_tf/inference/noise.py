"""Noise from a seed by a fixed algorithm, the same on every runtime and in every batch.

Counter k of seed s is hashed to 32 bits: h(h(k + 0x9E3779B9·(low(s) + 1)) ^ h(high(s))), where h
is the xor-shift-multiply finaliser with constants 0x7FEB352D and 0x846CA68B, and low, high are the
halves of the 64-bit seed. Counters 2i and 2i + 1 make u1 = (bits + 1)·2⁻³², u2 = bits·2⁻³², and
Box–Muller makes value i: sqrt(−2 ln u1)·cos(2π u2). All integers wrap at 32 bits.
"""

import numpy as np


def _hash(x):
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def seeded_noise(seeds, size: int) -> np.ndarray:
    """Standard normal noise float32 [B, size], row i from seeds[i] alone.

    Args: seeds: integers [B], 64 bit. size: int > 0.
    """
    seeds = np.asarray(seeds, np.int64).astype(np.uint64)[:, np.newaxis]
    low = (seeds & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    high = (seeds >> np.uint64(32)).astype(np.uint32)
    counters = np.arange(2 * size, dtype=np.uint32)[np.newaxis]
    keyed = counters + np.uint32(0x9E3779B9) * (low + np.uint32(1))
    bits = _hash(_hash(keyed) ^ _hash(high)).astype(np.float64)
    first, second = (bits[:, 0::2] + 1.0) * 2.0**-32, bits[:, 1::2] * 2.0**-32
    normal = np.sqrt(-2.0 * np.log(first)) * np.cos(2.0 * np.pi * second)
    return normal.astype(np.float32)
