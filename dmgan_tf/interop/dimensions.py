"""How wide a network of the authors is, found from the names and shapes of its state dict.

A width that is read from one tensor is held against the others it must fit, so that a file from a
stranger can't make the builder ask for much more memory than the file itself has weights.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dmgan_tf.errors import UserError
from dmgan_tf.models.inception_v3 import POOLED_CHANNELS, REGION_CHANNELS

State = Mapping[str, np.ndarray]
_KINDS = {  # section of the config → a tensor that none of the authors' other networks has
    "generator": "h_net1.fc.0.weight",
    "text_encoder": "encoder.weight",
    "image_encoder": "Conv2d_1a_3x3.conv.weight",
    "discriminator": "img_code_s16.0.module.weight_bar",
}
_FIRST_SIDE = 4  # of the generator's first map, and of the discriminator's last
_MOST_HALVINGS = 8  # of a discriminator: 1,024 pixels
_LSTM_GATES = 4  # a GRU has 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimensions:
    """What a state dict says about its network.

    Attributes: values: of the keys of the network's own section in the config. feature_size: int,
        N_w, of the words and sentences that it makes or reads. side: of a discriminator's pictures.
    """

    values: dict[str, int]
    feature_size: int
    side: int = 0


def dimensions(kind: str, state: State, source: str) -> Dimensions:
    """Dimensions of a network of the authors.

    Args: kind: `generator`, `text_encoder`, `image_encoder` or `discriminator`, as the user says
        it is. source: where the state is from, for the error.
    Raises: UserError: when it is another network, lacks a tensor that its dimensions are read
        from, or these contradict each other.
    """
    _check_kind(kind, state, source)
    find = {
        "generator": _generator,
        "text_encoder": _text_encoder,
        "image_encoder": _image_encoder,
        "discriminator": _discriminator,
    }
    return find[kind](_Shapes(state, source))


class _Shapes:
    """Shapes by name, that complain about what they lack."""

    def __init__(self, state, source):
        self.names = tuple(state)
        self.source = source
        self._state = state

    def of(self, name, axes):
        """The shape of a tensor that must have so many axes."""
        if name not in self._state:
            raise UserError(f"{self.source}: lacks the tensor {name}.")
        shape = self._state[name].shape
        if len(shape) != axes:
            raise UserError(f"{self.source}: {name} has the shape {list(shape)}, not {axes} axes.")
        return shape

    def expect(self, name, *shape):
        """Refuses a tensor whose shape contradicts those that were read before."""
        found = self.of(name, len(shape))
        if found != shape:
            raise UserError(
                f"{self.source}: {name} has the shape {list(found)}; {list(shape)} would go with "
                "the other tensors."
            )

    def count(self, pattern):
        """How many different numbers stand in the names of that pattern."""
        return len({m[1] for name in self.names if (m := re.fullmatch(pattern, name))})


def _generator(shapes):
    stages = shapes.count(r"img_net(\d+)\.img\.0\.weight")
    doublings = shapes.count(r"h_net1\.upsample(\d+)\.1\.weight")
    channels = shapes.of("img_net1.img.0.weight", 4)[1]
    gated, feature_size = shapes.of("ca_net.fc.weight", 2)
    condition = gated // 4
    inputs = shapes.of("h_net1.fc.0.weight", 2)[1]
    shapes.expect("h_net1.fc.0.weight", 2 * channels * 2**doublings * _FIRST_SIDE**2, inputs)
    values = {
        "feature_channels": channels,
        "condition_size": condition,
        "noise_size": inputs - condition,
        "first_side": _FIRST_SIDE * 2**doublings,
        "stages": stages,
    }
    if stages > 1:
        memory = shapes.of("h_net2.M_w.0.weight", 3)[0]
        blocks = shapes.count(r"h_net2\.residual\.(\d+)\.block\.0\.weight")
        for name in (f"h_net{stage}" for stage in range(2, stages + 1)):
            shapes.expect(f"{name}.M_w.0.weight", memory, feature_size, 1)
            shapes.expect(f"{name}.key.0.weight", channels, memory, 1)
            for i in range(blocks):
                block = f"{name}.residual.{i}.block.0.weight"
                shapes.expect(block, 4 * channels, 2 * channels, 3, 3)
        values |= {"memory_channels": memory, "residual_blocks": blocks}
    return Dimensions(values=values, feature_size=feature_size)


def _text_encoder(shapes):
    words, embedding = shapes.of("encoder.weight", 2)
    half = shapes.of("rnn.weight_hh_l0", 2)[1]
    for direction in ("", "_reverse"):
        shapes.expect(f"rnn.weight_ih_l0{direction}", _LSTM_GATES * half, embedding)
        shapes.expect(f"rnn.weight_hh_l0{direction}", _LSTM_GATES * half, half)
    values = {"vocabulary_size": words, "embedding_size": embedding}
    return Dimensions(values=values, feature_size=2 * half)


def _image_encoder(shapes):
    feature_size = shapes.of("emb_features.weight", 4)[0]
    shapes.expect("emb_features.weight", feature_size, REGION_CHANNELS, 1, 1)
    shapes.expect("emb_cnn_code.weight", feature_size, POOLED_CHANNELS)
    return Dimensions(values={}, feature_size=feature_size)


def _discriminator(shapes):
    halvings = shapes.count(r"img_code_s16\.(\d+)\.module\.weight_bar")
    wider = shapes.count(r"img_code_s(\d+)\.0\.module\.weight_bar") - 1  # s16.0 is in both
    halvings += wider
    side = _FIRST_SIDE * 2**halvings
    if halvings > _MOST_HALVINGS:  # each doubles the widths
        raise UserError(f"{shapes.source}: judges pictures of {side} pixels; 1,024 at most can be.")
    channels = shapes.of("UNCOND_DNET.outlogits.0.weight", 4)[1]
    joint = shapes.of("COND_DNET.jointConv.0.module.weight_bar", 4)[1]
    shapes.expect("COND_DNET.jointConv.0.module.weight_bar", channels, joint, 3, 3)
    for i in range(wider):
        width = channels * 2**i
        shapes.expect(f"img_code_s{32 * 2**i}.0.module.weight_bar", 2 * width, width, 4, 4)
    values = {"base_width": channels // 8}
    return Dimensions(values=values, feature_size=joint - channels, side=side)


def _check_kind(kind, state, source):
    found = [name for name, tensor in _KINDS.items() if tensor in state]
    if found == [kind]:
        return
    held = " and ".join(map(_with_article, found)) or "none of the authors' networks"
    first = next(iter(state))
    begins = f"it begins with {first} {list(state[first].shape)}"
    has = "has" if _KINDS[kind] in state else "has no"
    raise UserError(
        f"{source}: holds {held}, not {_with_article(kind)}: {begins} and {has} {_KINDS[kind]}."
    )


def _with_article(kind):
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind.replace('_', ' ')}"
