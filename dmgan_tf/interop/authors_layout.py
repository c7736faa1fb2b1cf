"""The authors' names and layout of every weight: our networks from their state dicts, and back.

Each network is a table of rows: our layer, the authors' name of it, and what it is there. A *kind*
of layer says which tensors it has, and how their axes change: theirs run [out, in, height, width],
ours [height, width, in, out].

Two of their tensors are no weights here, and no value on either side depends on them. They are
written for the authors' code and not read: `num_batches_tracked`, a counter that may be absent, as
0; and `weight_v`, which every pass computes anew from `weight_u`, as that very v.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import keras
import numpy as np

from dmgan_tf.errors import UserError
from dmgan_tf.models.discriminator import Discriminator
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.image_encoder import InceptionV3Encoder
from dmgan_tf.models.text_encoder import TextEncoder

_COUNTER = "num_batches_tracked"
_SIDE = 4  # of the maps that a dense layer makes or reads here

Shape = tuple[int, ...]


class Layout(NamedTuple):
    """Their array is ours with its axes cut up, put in another order and joined again."""

    order: tuple[int, ...]  # which of our cut axes stands where on their side
    cut: Callable[[Shape], Shape] = lambda shape: shape
    join: Callable[[Shape], Shape] = lambda shape: shape

    def authors_shape(self, shape: Shape) -> Shape:
        """The shape on their side of an array of ours."""
        cut = self.cut(tuple(shape))
        return self.join(tuple(cut[axis] for axis in self.order))

    def to_authors(self, array: np.ndarray) -> np.ndarray:
        """Ours to theirs."""
        reordered = array.reshape(self.cut(array.shape)).transpose(self.order)
        return np.ascontiguousarray(reordered).reshape(self.authors_shape(array.shape))

    def from_authors(self, array: np.ndarray, shape: Shape) -> np.ndarray:
        """Theirs to ours, which has the given shape."""
        cut = self.cut(tuple(shape))
        array = array.reshape([cut[axis] for axis in self.order])
        return array.transpose(np.argsort(self.order)).reshape(shape)


def _cut_seed(shape):
    """Last axis: the two halves of the gated linear unit, in each a map [4·4, C]."""
    return (*shape[:-1], 2, _SIDE**2, shape[-1] // (2 * _SIDE**2))


def _cut_map(shape):
    """First axis: a map [4, 4, C]."""
    return (_SIDE, _SIDE, shape[0] // _SIDE**2, *shape[1:])


_UNCHANGED = Layout((0,))
_TABLE = Layout((0, 1))  # embeddings: a row a word on both sides
_MATRIX = Layout((1, 0))
_KERNEL = Layout((3, 2, 0, 1))
_OVER_WORDS = Layout((1, 0), join=lambda s: (*s, 1))  # a 1×1 convolution there
_OVER_PIXELS = Layout((1, 0), join=lambda s: (*s, 1, 1))
_OVER_MAP = Layout((3, 2, 0, 1), _cut_map)  # a 4×4 convolution over all of a 4×4 map there
_SEED_MATRIX = Layout((1, 3, 2, 0), _cut_seed, lambda s: (s[0] * s[1] * s[2], s[3]))
_SEED_VECTOR = Layout((0, 2, 1), _cut_seed, lambda s: (s[0] * s[1] * s[2],))


def _right_vector(conv):
    """The authors' v of a spectral norm: Wᵀu, normalised, in PyTorch's order of axes."""
    kernel = _KERNEL.to_authors(_array(conv.kernel)).astype(np.float64)
    v = kernel.reshape(len(kernel), -1).T @ _array(conv.u)
    return (v / (np.linalg.norm(v) + conv.epsilon)).astype(np.float32)


def _no_batches(_):
    return np.zeros((), np.int64)


# The end of their name → our attribute and its layout, or what makes the tensor from our layer.
Kind = Mapping[str, tuple[str, Layout] | Callable[[keras.layers.Layer], np.ndarray]]


def _plain(kernel: Layout) -> Kind:
    return {"weight": ("kernel", kernel), "bias": ("bias", _UNCHANGED)}


def _norm(scale: str, offset: str, layout: Layout = _UNCHANGED) -> Kind:
    return {
        "weight": (scale, layout),
        "bias": (offset, layout),
        "running_mean": ("moving_mean", layout),
        "running_var": ("moving_variance", layout),
        _COUNTER: _no_batches,
    }


def _lstm(direction: str) -> Kind:
    return {
        "weight_ih" + direction: ("kernel", _MATRIX),
        "weight_hh" + direction: ("recurrent_kernel", _MATRIX),
        "bias_ih" + direction: ("bias", _UNCHANGED),
        "bias_hh" + direction: ("recurrent_bias", _UNCHANGED),
    }


EMBEDDING: Kind = {"weight": ("embeddings", _TABLE)}
DENSE, SEED_DENSE, CONV = _plain(_MATRIX), _plain(_SEED_MATRIX), _plain(_KERNEL)
WORD_CONV, PIXEL_CONV, MAP_CONV = _plain(_OVER_WORDS), _plain(_OVER_PIXELS), _plain(_OVER_MAP)
NORM, SEED_NORM = _norm("scale", "offset"), _norm("scale", "offset", _SEED_VECTOR)
KERAS_NORM = _norm("gamma", "beta")
FORWARD_LSTM, BACKWARD_LSTM = _lstm("_l0"), _lstm("_l0_reverse")
SPECTRAL_CONV: Kind = {
    "bias": ("bias", _UNCHANGED),
    "weight_u": ("u", _UNCHANGED),
    "weight_v": _right_vector,
    "weight_bar": ("kernel", _KERNEL),
}

Row = tuple[keras.layers.Layer, str, Kind]  # our layer, their name, what it is there


def _text_encoder(network: TextEncoder) -> Iterator[Row]:
    yield network.embedding, "encoder", EMBEDDING
    yield network.forward_lstm.cell, "rnn", FORWARD_LSTM
    yield network.backward_lstm.cell, "rnn", BACKWARD_LSTM


def _image_encoder(network: InceptionV3Encoder) -> Iterator[Row]:
    for name, unit in network.backbone.conv_units.items():
        yield unit.conv, name + ".conv", CONV
        yield unit.bn, name + ".bn", KERAS_NORM
    yield network.region_embedding, "emb_features", CONV
    yield network.code_embedding, "emb_cnn_code", DENSE


def _generator(network: Generator) -> Iterator[Row]:
    switches = ("memory", "writing_gate", "response_gate")
    off = [name for name in switches if not network.get_config()[name]]
    if off:
        raise UserError(
            f"{network.name}: the authors have no generator without {' and '.join(off)}; "
            "only the whole model can be converted."
        )
    if network.prior or network.padding != "zeros":
        raise UserError(
            f"{network.name}: the authors' generator has `prior_size: 0` and `padding: zeros`; "
            "another one would not draw the same there."
        )
    initial = network.initial_stage
    yield network.conditioning_augmentation.dense, "ca_net.fc", DENSE
    yield initial.dense, "h_net1.fc.0", SEED_DENSE
    yield initial.batch_norm, "h_net1.fc.1", SEED_NORM
    for i, block in enumerate(initial.upsample_blocks, start=1):
        yield from _upsample(block, f"h_net1.upsample{i}")
    yield network.image_heads[0], "img_net1.img.0", CONV
    refinements = zip(network.refinement_stages, network.image_heads[1:], strict=True)
    for i, (stage, head) in enumerate(refinements, start=2):
        yield from _refinement(stage, f"h_net{i}")
        yield head, f"img_net{i}.img.0", CONV


def _refinement(stage, name: str) -> Iterator[Row]:
    writer, reader = stage.dynamic_memory.writer, stage.dynamic_memory.reader
    yield writer.word_to_gate, name + ".A", DENSE
    yield writer.image_to_gate, name + ".B", DENSE
    yield writer.image_to_memory, name + ".M_r.0", WORD_CONV
    yield writer.word_to_memory, name + ".M_w.0", WORD_CONV
    yield reader.memory_to_key, name + ".key.0", WORD_CONV
    yield reader.memory_to_value, name + ".value.0", WORD_CONV
    yield stage.dynamic_memory.response.gate, name + ".response_gate.0", PIXEL_CONV
    for i, block in enumerate(stage.residual_blocks):
        yield block.conv_in, f"{name}.residual.{i}.block.0", CONV
        yield block.batch_norm_in, f"{name}.residual.{i}.block.1", NORM
        yield block.conv_out, f"{name}.residual.{i}.block.3", CONV
        yield block.batch_norm_out, f"{name}.residual.{i}.block.4", NORM
    yield from _upsample(stage.upsample, name + ".upsample")


def _upsample(block, name: str) -> Iterator[Row]:
    yield block, name + ".1", CONV
    yield block.batch_norm, name + ".2", NORM


def _discriminator(network: Discriminator) -> Iterator[Row]:
    blocks = zip(network.feature_blocks, _feature_names(network.feature_blocks), strict=True)
    for block, name in blocks:
        yield block.conv, name + ".module", SPECTRAL_CONV
    yield network.unconditional_head, "UNCOND_DNET.outlogits.0", MAP_CONV
    yield network.joint_block.conv, "COND_DNET.jointConv.0.module", SPECTRAL_CONV
    yield network.conditional_head, "COND_DNET.outlogits.0", MAP_CONV


def _feature_names(blocks) -> Iterator[str]:
    """Named by how much smaller the side is by then; the first four halvings are one module."""
    halvings = narrowings = 0
    for block in blocks:
        if block.strides == 1:
            narrowings += 1
            yield f"img_code_s{2**halvings}_{narrowings}.0"
            continue
        halvings += 1
        module = f"s16.{2 * (halvings - 1)}" if halvings <= 4 else f"s{2**halvings}.0"
        yield f"img_code_{module}"


_TABLES: Mapping[type, Callable[..., Iterator[Row]]] = {
    Generator: _generator,
    Discriminator: _discriminator,
    TextEncoder: _text_encoder,
    InceptionV3Encoder: _image_encoder,
}


def load_authors(network: keras.Model, state: Mapping[str, np.ndarray], source: str) -> None:
    """Assigns all weights of a built network from the authors' state dict; all of them or none.

    Args:
        network: Generator, Discriminator, TextEncoder or InceptionV3Encoder.
        state: arrays by the authors' names, in PyTorch's layout; `num_batches_tracked` may be
            there or not.
        source: where the state is from, for the error.
    Raises: UserError: naming the first tensor that is missing, superfluous or of another shape;
        when the authors have no such network.
    """
    found = {name: array for name, array in state.items() if not name.endswith(_COUNTER)}
    shapes, places = {}, []
    for name, layer, tensor in _tensors(network):
        if tensor is _no_batches:
            continue
        if callable(tensor):
            shapes[name] = tensor(layer).shape
            continue
        attribute, layout = tensor
        variable = getattr(layer, attribute)
        shapes[name] = layout.authors_shape(variable.shape)
        places.append((name, variable, layout))
    _check(shapes, {name: np.shape(array) for name, array in found.items()}, network.name, source)
    for name, variable, layout in places:
        variable.assign(layout.from_authors(np.asarray(found[name]), variable.shape))


def to_authors(network: keras.Model) -> dict[str, np.ndarray]:
    """All weights of a built network under the authors' names and in PyTorch's layout and order.

    Raises: UserError: when the authors have no such network.
    """
    state = {}
    for name, layer, tensor in _tensors(network):
        if callable(tensor):
            state[name] = tensor(layer)
        else:
            attribute, layout = tensor
            state[name] = layout.to_authors(_array(getattr(layer, attribute)))
    return state


def _tensors(network):
    """(their name, our layer, an entry of its Kind) of every tensor."""
    table = _TABLES.get(type(network))
    if table is None:
        raise UserError(
            f"{network.name}: the authors have no {type(network).__name__}; only "
            f"{', '.join(known.__name__ for known in _TABLES)} can be converted."
        )
    for layer, name, kind in table(network):
        for leaf, tensor in kind.items():
            if callable(tensor) or getattr(layer, tensor[0], None) is not None:  # a bias may lack
                yield f"{name}.{leaf}", layer, tensor


def _check(wanted: Mapping[str, Shape], found: Mapping[str, Shape], network: str, source: str):
    missing = [name for name in wanted if name not in found]
    surplus = [name for name in found if name not in wanted]
    wrong = [name for name in wanted if name in found and wanted[name] != found[name]]
    complaints = []
    if missing:
        complaints.append(f"{_first(missing, wanted)} missing")
    if surplus:
        complaints.append(f"{_first(surplus, found)} superfluous")
    if wrong and not complaints:
        expected = list(wanted[wrong[0]])
        complaints.append(f"{_first(wrong, found)} of another shape than here, {expected}")
    if complaints:
        raise UserError(f"{source}: does not fit {network}: {'; '.join(complaints)}.")


def _first(names, shapes):
    others = f" and {len(names) - 1} more are" if len(names) > 1 else " is"
    return f"{names[0]} {list(shapes[names[0]])}{others}"


def _array(variable) -> np.ndarray:
    return keras.ops.convert_to_numpy(variable)
