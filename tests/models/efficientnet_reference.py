"""Reference values of EfficientNet-Lite2: random weights, and what the PyTorch port makes of them.

    pip install torch efficientnet_lite_pytorch && python tests/models/efficientnet_reference.py

writes data/efficientnet_lite2.npz; the test builds the same weights from the same seed.
"""

from pathlib import Path

import numpy as np

PATH = Path(__file__).parent / "data" / "efficientnet_lite2.npz"


def random_state(shapes):
    """A state dict of these names and shapes; magnitudes that keep signals alive."""
    rng = np.random.default_rng(0)
    state = {}
    for name, shape in shapes.items():
        if name.endswith("num_batches_tracked"):
            value = np.array(0, np.int64)
        elif len(shape) > 1:
            value = rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
        elif name.endswith(("running_var", "weight")):
            value = rng.uniform(0.5, 1.5, shape)
        else:
            value = rng.normal(0, 0.2, shape)
        state[name] = value if value.dtype == np.int64 else value.astype(np.float32)
    return state


def picture():
    """One picture [1, 260, 260, 3] in [−1, 1]."""
    return np.random.default_rng(1).uniform(-1, 1, (1, 260, 260, 3)).astype(np.float32)


def main():
    """Runs the PyTorch port."""
    import torch
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite2").eval()
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    state = random_state(shapes)
    network.load_state_dict({name: torch.tensor(value) for name, value in state.items()})
    found = {}
    network._blocks[14].register_forward_hook(lambda *a: found.update(regions=a[2]))
    network._avg_pooling.register_forward_hook(lambda *a: found.update(pooled=a[2]))
    with torch.no_grad():
        network(torch.tensor(picture().transpose(0, 3, 1, 2)))
    np.savez_compressed(
        PATH,
        regions=found["regions"].numpy()[0, :, ::4, ::4],
        pooled=found["pooled"].numpy().ravel(),
        **{f"shape/{name}": np.array(shape, np.int32) for name, shape in shapes.items()},
    )


if __name__ == "__main__":
    main()
