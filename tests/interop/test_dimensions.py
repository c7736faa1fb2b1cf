"""Dimensions of the authors' networks, and what is told where a file is another network."""

import json
from pathlib import Path

import numpy as np
import pytest

from dmgan_tf.errors import UserError
from dmgan_tf.interop.dimensions import dimensions

DATA = Path(__file__).parents[1] / "parity" / "data"
KINDS = {
    "generator": "generator",
    "text_encoder": "text_encoder",
    "image_encoder": "image_encoder",
    "discriminator_64": "discriminator",
    "discriminator_128": "discriminator",
    "discriminator_256": "discriminator",
}


def zeros(shape):
    return np.broadcast_to(np.float32(0), shape)


def reference(pair, network):
    """(sizes of the pair, a state dict of zeros of its network)."""
    content = json.loads((DATA / f"{pair}.json").read_text())
    state = {name: zeros(shape) for name, shape in content["manifest"][network].items()}
    return content["dims"], state


def refused(kind, state):
    with pytest.raises(UserError) as caught:
        dimensions(kind, state, "net.pth")
    message = str(caught.value)
    assert message.startswith("net.pth: ")
    return message


@pytest.mark.parametrize("pair", ["small", "coco"])
def test_generator_is_measured(pair):
    sizes, state = reference(pair, "generator")
    found = dimensions("generator", state, "net.pth")
    assert found.values == {
        "feature_channels": sizes["gf"],
        "memory_channels": 2 * sizes["gf"],
        "condition_size": sizes["c"],
        "noise_size": sizes["z"],
        "first_side": 64,
        "stages": 3,
        "residual_blocks": sizes["r"],
    }
    assert found.feature_size == sizes["e"]


def test_generator_without_refinement_is_measured():
    sizes, state = reference("small", "generator")
    state = {name: array for name, array in state.items() if "net1" in name or "ca_net" in name}
    found = dimensions("generator", state, "net.pth")
    assert found.values["stages"] == 1
    assert found.values["feature_channels"] == sizes["gf"]
    assert "residual_blocks" not in found.values


@pytest.mark.parametrize("pair", ["small", "coco"])
def test_encoders_are_measured(pair):
    sizes, state = reference(pair, "text_encoder")
    text = dimensions("text_encoder", state, "net.pth")
    assert text.values == {"vocabulary_size": sizes["vocab"], "embedding_size": 300}
    image = dimensions("image_encoder", reference(pair, "image_encoder")[1], "net.pth")
    assert text.feature_size == image.feature_size == sizes["e"]


@pytest.mark.parametrize("side", [64, 128, 256])
def test_discriminators_are_measured(side):
    sizes, state = reference("small", f"discriminator_{side}")
    found = dimensions("discriminator", state, "net.pth")
    assert (found.side, found.values) == (side, {"base_width": sizes["df"]})
    assert found.feature_size == sizes["e"]


@pytest.mark.parametrize("given", KINDS)
@pytest.mark.parametrize("wanted", sorted(set(KINDS.values())))
def test_other_network_is_told_by_name_and_shape(given, wanted):
    _, state = reference("small", given)
    held = KINDS[given]
    if held == wanted:
        assert dimensions(wanted, state, "net.pth")
        return
    message = refused(wanted, state)
    said = f"net.pth: holds a {held}, not a {wanted}: it begins with ".replace("_", " ")
    assert message.startswith(said.replace(" a i", " an i"))
    first = next(iter(state))
    assert f"{first} {list(state[first].shape)}" in message


def test_state_of_none_of_the_networks_is_told():
    message = refused("generator", {"weight": zeros((3, 4))})
    assert message == (
        "net.pth: holds none of the authors' networks, not a generator: it begins with "
        "weight [3, 4] and has no h_net1.fc.0.weight."
    )


@pytest.mark.parametrize(
    ("network", "name"),
    [
        ("generator", "img_net1.img.0.weight"),
        ("generator", "ca_net.fc.weight"),
        ("generator", "h_net2.M_w.0.weight"),
        ("generator", "h_net3.key.0.weight"),
        ("generator", "h_net3.residual.1.block.0.weight"),
        ("text_encoder", "rnn.weight_hh_l0"),
        ("text_encoder", "rnn.weight_ih_l0_reverse"),
        ("image_encoder", "emb_features.weight"),
        ("discriminator_64", "UNCOND_DNET.outlogits.0.weight"),
        ("discriminator_64", "COND_DNET.jointConv.0.module.weight_bar"),
    ],
)
def test_missing_or_flattened_tensor_is_named(network, name):
    _, state = reference("small", network)
    flat = zeros((np.prod(state[name].shape),))
    message = refused(KINDS[network], state | {name: flat})
    assert message.startswith(f"net.pth: {name} has the shape {list(flat.shape)}")
    del state[name]
    assert refused(KINDS[network], state) == f"net.pth: lacks the tensor {name}."


@pytest.mark.parametrize(
    ("network", "name", "shape"),
    [
        ("generator", "h_net1.fc.0.weight", (2048, 22)),
        ("generator", "h_net2.M_w.0.weight", (16, 31, 1)),
        ("generator", "h_net3.M_w.0.weight", (17, 32, 1)),
        ("generator", "h_net2.key.0.weight", (9, 16, 1)),
        ("generator", "h_net3.residual.0.block.0.weight", (32, 17, 3, 3)),
        ("text_encoder", "rnn.weight_ih_l0", (48, 300)),  # three gates: a GRU
        ("text_encoder", "rnn.weight_hh_l0_reverse", (64, 15)),
        ("discriminator_64", "COND_DNET.jointConv.0.module.weight_bar", (65, 96, 3, 3)),
    ],
)
def test_tensors_that_contradict_each_other_are_told_with_both_shapes(network, name, shape):
    _, state = reference("small", network)
    fitting = state[name].shape
    message = refused(KINDS[network], state | {name: zeros(shape)})
    assert message.startswith(f"net.pth: {name} has the shape {list(shape)}; ")
    assert str(list(fitting)) in message


def test_discriminator_of_enormous_pictures_is_refused():
    _, state = reference("small", "discriminator_64")
    more = {f"img_code_s{2**i}.0.module.weight_bar": zeros((1, 1, 4, 4)) for i in range(5, 40)}
    assert "can be" in refused("discriminator", state | more)
