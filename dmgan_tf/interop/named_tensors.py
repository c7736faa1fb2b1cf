"""A file's tensors, by their names there, into variables here; what doesn't fit is told by name."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from dmgan_tf.errors import UserError

KERNEL_AXES = (2, 3, 1, 0)  # PyTorch: [out, in, h, w]; ours: [h, w, in, out]
DEPTHWISE_AXES = (2, 3, 0, 1)  # PyTorch: [C, 1, h, w]; ours: [h, w, C, 1]
MATRIX_AXES = (1, 0)  # PyTorch: [out, in]; ours: [in, out]


class Place(NamedTuple):
    """Where a tensor belongs: a variable, the tensor's name, and its axes in the variable's order.

    No axes: those of the file are ours.
    """

    variable: keras.Variable
    name: str
    axes: tuple[int, ...] | None = None


def assign_tensors(
    places: Iterable[Place], tensors: Mapping[str, np.ndarray], path: Path | str, network: str
) -> set[str]:
    """Assigns every place its tensor.

    Returns: the names that were read.
    Raises: UserError: when a tensor is missing or of another shape, at the first one.
    """
    read = set()
    for variable, name, axes in places:
        shape = tuple(variable.shape)
        array = tensors.get(name)
        if array is None or array.ndim != len(shape):
            raise UserError(f"{path}: is no {network}: has no fitting {name}.")
        array = array if axes is None else np.transpose(array, axes)
        if array.shape != shape:
            raise UserError(
                f"{path}: is no {network}: {name} is of shape {array.shape}, not {shape}."
            )
        variable.assign(array)
        read.add(name)
    return read


def batch_norm_places(norm, prefix: str) -> list[Place]:
    """PyTorch's names of the four tensors of a batch norm."""
    return [
        Place(norm.gamma, f"{prefix}.weight"),
        Place(norm.beta, f"{prefix}.bias"),
        Place(norm.moving_mean, f"{prefix}.running_mean"),
        Place(norm.moving_variance, f"{prefix}.running_var"),
    ]
