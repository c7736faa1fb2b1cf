"""What TensorFlow's files call the convolutions of Inception v3.

Each function answers by the name of PyTorch's module, which is that of our `conv_units`.
"""

import re
from collections.abc import Iterator
from itertools import count

from dmgan_tf.models.inception_v3 import BLOCKS, Branch, Conv

_OLD_SLIM_BLOCKS = (
    *("mixed_35x35x256a", "mixed_35x35x288a", "mixed_35x35x288b"),
    *(f"mixed_17x17x768{letter}" for letter in "abcde"),
    *("mixed_17x17x1280a", "mixed_8x8x2048a", "mixed_8x8x2048b"),
)
_TF_SLIM_EXCEPTIONS = {
    "Mixed_5c.branch5x5_1": "Conv2d_0b_1x1",
    "Mixed_5c.branch5x5_2": "Conv_1_0c_5x5",
    "Mixed_6a.branch3x3": "Conv2d_1a_1x1",  # of 3x3, whatever it says
    "Mixed_6a.branch3x3dbl_3": "Conv2d_1a_1x1",
    "Mixed_7b.branch3x3_2b": "Conv2d_0b_3x1",
}


def graph_scopes() -> dict[str, str]:
    """The name scopes of the graph of 2015: `mixed_4/tower_1/conv_2`.

    A branch of one convolution stands in its block, each other one in a tower; a fork is a
    `mixed` of its own.
    """
    scopes = {}
    for number, (prefix, block) in enumerate(BLOCKS.items()):
        towers = count()
        for branch in block:
            scope = f"{_numbered('mixed', number - 1)}/" if prefix else ""
            if prefix and len(branch) > 1:
                scope += f"{_numbered('tower', next(towers))}/"
            for i, step in enumerate(step for step in branch if not isinstance(step, str)):
                if isinstance(step, Conv):
                    scopes[prefix + step.name] = scope + _numbered("conv", i)
                    continue
                for j, row in enumerate(step):
                    scopes[prefix + row.name] = f"{scope}mixed/{_numbered('conv', j)}"
    return scopes


def old_slim_scopes() -> dict[str, str]:
    """The variable scopes of `inception.slim` of 2016: `mixed_17x17x768b/branch7x7/Conv_1`."""
    names = [row.name for _, row in _rows(BLOCKS[""][0])]
    scopes = {name: f"conv{i}" for i, name in enumerate(names)}
    for prefix, scope in zip(list(BLOCKS)[1:], _OLD_SLIM_BLOCKS, strict=True):
        for branch in BLOCKS[prefix]:
            for i, (_, row) in enumerate(_rows(branch)):
                kind = re.sub(r"_\d[ab]?$", "", row.name)  # branch5x5_2 → branch5x5
                scopes[prefix + row.name] = f"{scope}/{kind}/{_numbered('Conv', i)}"
    return scopes


def tf_slim_scopes() -> dict[str, str]:
    """The variable scopes of TF-Slim: `InceptionV3/Mixed_6b/Branch_1/Conv2d_0b_1x7`.

    The letter is the place in the branch, a pool's included; what halves the side is `1a`.
    """
    scopes = {}
    for prefix, block in BLOCKS.items():
        for number, branch in enumerate(block):
            for place, row in _rows(branch):
                name = prefix + row.name
                turn = "1a" if row.strides == 2 else f"0{'abcdefg'[place]}"
                kernel = f"{row.kernel[0]}x{row.kernel[1]}"
                own = _TF_SLIM_EXCEPTIONS.get(name, f"Conv2d_{turn}_{kernel}")
                scope = f"{prefix[:-1]}/Branch_{number}/{own}" if prefix else row.name
                scopes[name] = f"InceptionV3/{scope}"
    return scopes


def _numbered(name: str, number: int) -> str:
    """TensorFlow's way of telling scopes of one name apart."""
    return f"{name}_{number}" if number else name


def _rows(branch: Branch) -> Iterator[tuple[int, Conv]]:
    """(place, row) of the convolutions of a branch; a pool takes a place, as does a fork's each."""
    place = 0
    for step in branch:
        for row in (step,) if isinstance(step, Conv | str) else step:
            if isinstance(row, Conv):
                yield place, row
            place += 1
