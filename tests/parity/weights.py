"""Deterministic random weights for a state dict, from names and shapes alone (numpy only).

Every array is drawn from numpy.random.default_rng([seed, crc32(name)]), so any framework can
rebuild it.
"""

import zlib

import numpy as np


def draw(name: str, shape, seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    shape = tuple(shape)
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    if leaf == "running_mean":
        return rng.normal(0.0, 0.1, shape).astype(np.float32)
    if leaf == "running_var":
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    if leaf in ("weight_u", "weight_v"):
        v = rng.normal(size=shape)
        return (v / np.linalg.norm(v)).astype(np.float32)
    if len(shape) == 1:  # biases; batch-norm scale when the name ends in weight
        base = 1.0 if leaf == "weight" else 0.0
        return (base + 0.1 * rng.normal(size=shape)).astype(np.float32)
    fan_in = int(np.prod(shape[1:]))
    return (rng.normal(size=shape) * np.sqrt(1.6 / fan_in)).astype(np.float32)


def state_dict(manifest: dict, seed: int) -> dict:
    """manifest: {name: shape}. Spectral-norm u, v are converged, as after long training."""
    out = {n: draw(n, s, seed) for n, s in manifest.items()}
    for n in list(out):
        if n.endswith("weight_bar"):
            w = out[n].reshape(out[n].shape[0], -1).astype(np.float64)
            u = out[n[:-3] + "u"].astype(np.float64)
            for _ in range(300):
                v = w.T @ u
                v /= np.linalg.norm(v)
                u = w @ v
                u /= np.linalg.norm(u)
            out[n[:-3] + "u"] = u.astype(np.float32)
            out[n[:-3] + "v"] = v.astype(np.float32)
    return out
