"""Random weights and pictures that are the same here and beside PyTorch."""

import zlib

import numpy as np

SIDE = 160


def random_tensor(name, shape):
    """A tensor by its name in PyTorch; magnitudes that keep signals alive."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if len(shape) > 1:
        value = rng.standard_normal(shape, np.float32) * np.sqrt(2 / np.prod(shape[1:]))
    elif name.endswith(("running_var", "weight")):
        value = rng.uniform(0.5, 1.5, shape)
    else:
        value = rng.normal(0, 0.2, shape)
    return value.astype(np.float32)


def random_state(shapes, scaled=True):
    """All tensors; not scaled: with gammas of 1, as TensorFlow's batch norms have none."""
    state = {name: random_tensor(name, shape) for name, shape in shapes.items()}
    if not scaled:
        gammas = [name for name in state if len(shapes[name]) == 1 and name.endswith(".weight")]
        state.update({name: np.ones_like(state[name]) for name in gammas})
    return state


def pictures(count=2, side=SIDE):
    """uint8 [count, side, side, 3]: blots of many sizes, as of noise all features are alike."""
    rng = np.random.default_rng(1)
    total = np.zeros((count, side, side, 3))
    for cells in (2, 5, 16, 32):
        grid = rng.normal(size=(count, cells, cells, 3)).repeat(side // cells, 1)
        grid = grid.repeat(side // cells, 2)
        total[:, : grid.shape[1], : grid.shape[2]] += grid
    return np.clip(total * 40 + 128, 0, 255).astype(np.uint8)
