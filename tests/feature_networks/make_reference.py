"""Reference values: what PyTorch makes of random weights in each network.

    pip install torch torchvision pytorch-fid efficientnet_lite_pytorch pillow
    python tests/feature_networks/make_reference.py

writes data/reference.npz: every eighth feature and logit of two pictures. The tests make the same
weights and pictures from the same seeds. Networks and resizing are torchvision's, pytorch-fid's,
Pillow's and the EfficientNet-Lite port's own; nothing of ours is in it.
"""

import json
from pathlib import Path

import numpy as np
from random_weights import pictures, random_state

PATH = Path(__file__).parent / "data" / "reference.npz"


def filled(network, scaled=True):
    """The network in inference mode with random weights."""
    import torch

    state = {n: torch.tensor(v) for n, v in random_state(shapes(network), scaled).items()}
    network.load_state_dict(state, strict=False)
    return network.eval()


def shapes(network):
    found = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    return {n: shape for n, shape in found.items() if not n.endswith("num_batches_tracked")}


def run(network, pooling, x):
    """(features, logits): what leaves the pooling layer, and what leaves the network."""
    import torch

    found = []
    pooling.register_forward_hook(lambda *call: found.append(call[2].flatten(1)))
    with torch.no_grad():
        logits = network(torch.tensor(np.float32(x).transpose(0, 3, 1, 2)))
    return found[0].numpy(), logits.numpy()


def resized(side):
    """Pictures through Pillow, as torchvision's `Resize` and scipy's `imresize` do it."""
    from PIL import Image

    images = [Image.fromarray(picture) for picture in pictures()]
    return np.stack([np.asarray(i.resize((side, side), Image.Resampling.BILINEAR)) for i in images])


def inception_2015():
    import torch
    from pytorch_fid import inception

    inception.load_state_dict_from_url = lambda *_, **__: filled_2015
    filled_2015 = plain_fid_network(1008, last=inception.FIDInceptionE_2).state_dict()
    whole = inception.fid_inception_v3().eval()
    cut = inception.InceptionV3(use_fid_inception=True).eval()
    x = torch.tensor(pictures().transpose(0, 3, 1, 2)) / 255
    with torch.no_grad():
        features = cut(x)[0].flatten(1)
        return features.numpy(), (features @ whole.fc.weight.T).numpy()


def inception_torchvision():
    from torchvision.models import inception_v3

    network = inception_v3(weights=None, aux_logits=False, transform_input=True, init_weights=False)
    return run(filled(network), network.avgpool, resized(299) / 255)


def inception_slim_cub():
    from pytorch_fid.inception import FIDInceptionE_1

    network = plain_fid_network(51, last=FIDInceptionE_1, scaled=False)
    features, logits = run(network, network.avgpool, resized(299) / 127.5 - 1)
    return features, logits[:, 1:]


def plain_fid_network(classes, last, scaled=True):
    """torchvision's network with pytorch-fid's blocks, whose pools don't count the padding."""
    from pytorch_fid import inception
    from torchvision.models import inception_v3

    network = inception_v3(num_classes=classes, weights=None, aux_logits=False, init_weights=False)
    for name, *arguments in (("5b", 192, 32), ("5c", 256, 64), ("5d", 288, 64)):
        setattr(network, f"Mixed_{name}", inception.FIDInceptionA(*arguments))
    for name, narrow in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
        setattr(network, f"Mixed_{name}", inception.FIDInceptionC(768, narrow))
    network.Mixed_7b = inception.FIDInceptionE_1(1280)
    network.Mixed_7c = last(2048)
    return filled(network, scaled)


def port():
    from efficientnet_lite_pytorch import EfficientNet

    return EfficientNet.from_name("efficientnet-lite0")


def efficientnet_lite0():
    network = filled(port())
    return run(network, network._avg_pooling, (np.float32(resized(224)) - 127) / 128)


def main():
    """Runs all of them."""
    arrays = {"efficientnet-lite0/shapes": np.array(json.dumps(shapes(port())))}
    for make in (inception_2015, inception_torchvision, inception_slim_cub, efficientnet_lite0):
        features, logits = make()
        name = make.__name__.replace("_", "-")
        print(name, features.shape, logits.shape, features.mean(), features.std(axis=0).mean())
        arrays[f"{name}/features"], arrays[f"{name}/logits"] = features[:, ::8], logits[:, ::8]
    np.savez_compressed(PATH, **arrays)


if __name__ == "__main__":
    main()
