"""The weight files of a model directory: HDF5 as Keras writes it, or safetensors.

NETWORK.safetensors holds the arrays of NETWORK.weights.h5 by the same names and bit for bit, and as
metadata the attributes of that file. Where both are there, the HDF5 file is read. Both have the
same `weights_hash`.
"""

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from dmgan_tf.errors import UserError
from dmgan_tf.inference.stored_sizes import stored_sizes
from dmgan_tf.whole_file import whole_file

HDF5, SAFETENSORS = ".weights.h5", ".safetensors"


def weight_files(directory: Path) -> dict[str, Path]:
    """The files of weights by the names of their networks, in the order of names."""
    found: dict[str, Path] = {}
    for ending in (SAFETENSORS, HDF5):
        found |= {path.name.removesuffix(ending): path for path in directory.glob(f"*{ending}")}
    return dict(sorted(found.items()))


def weight_file(directory: Path, network: str) -> Path:
    """The file of a network's weights, also where there is none."""
    return weight_files(directory).get(network, directory / f"{network}{HDF5}")


@contextlib.contextmanager
def as_hdf5(path: Path) -> Iterator[Path]:
    """A file of weights as HDF5: itself, or for the block a temporary one with the same values.

    Raises: UserError: when the safetensors are damaged, or the package is missing.
    """
    if path.suffix != SAFETENSORS:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"{path.stem}{HDF5}"
        safe_open = _safetensors().safe_open
        try:
            with safe_open(path, framework="numpy") as source, h5py.File(target, "w") as file:
                file.attrs.update(source.metadata() or {})
                for name in source.keys():  # noqa: SIM118 - no mapping
                    file[name] = source.get_tensor(name)
        except Exception as error:  # SafetensorError, and what h5py says of odd names
            reason = " ".join(str(error).split())[:300]
            raise UserError(f"{path}: cannot be read: {reason}.") from error
        yield target


def write_safetensors(source: Path, target: Path) -> None:
    """Writes the arrays and attributes of a file of weights as safetensors.

    Raises: UserError: when it can't be read or written, or the package is missing.
    """
    _safetensors()
    from safetensors.numpy import save_file

    arrays = {}

    def add(name, item):
        if isinstance(item, h5py.Dataset):
            arrays[name] = np.asarray(item[()])  # of a scalar, h5py gives a number

    with as_hdf5(source) as path, h5py.File(path, "r") as file:
        file.visititems(add)
        attributes = {name: str(value) for name, value in file.attrs.items()}
    with whole_file(target) as partial:
        save_file(arrays, partial, attributes)


def weights_hash(path: Path) -> str:
    """SHA-256 over names and values in a file of weights; the file itself may have dates in it.

    Raises: UserError: when it can't be read.
    """
    digest = hashlib.sha256()

    def add(name, item):
        if isinstance(item, h5py.Dataset):
            digest.update(name.encode() + item[()].tobytes())

    with as_hdf5(path) as readable:
        try:
            with h5py.File(readable, "r") as file:
                stored_sizes(file)  # refuses what would take more memory than the file
                file.visititems(add)  # in the order of names
        except Exception as error:  # h5py has no class of its own for a damaged file
            reason = " ".join(str(error).split())[:300]
            raise UserError(f"{path}: cannot be read: {reason}.") from error
    return digest.hexdigest()


def share_an_encoder(model: Path, judge: Path) -> bool:
    """Whether a text or image encoder is the same in two model directories, which may lack one."""
    one, other = weight_files(model), weight_files(judge)
    names = {"text_encoder", "image_encoder"} & one.keys() & other.keys()
    return any(weights_hash(one[name]) == weights_hash(other[name]) for name in names)


def _safetensors():
    try:
        import safetensors
    except ImportError as error:
        raise UserError(
            f"Weights as safetensors need one more package: pip install 'dmgan_tf[hub]' ({error})."
        ) from error
    return safetensors
