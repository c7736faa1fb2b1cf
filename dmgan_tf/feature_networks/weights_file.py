"""The file that a network's weights are in: found, and told apart by its hash."""

import hashlib
import re
from pathlib import Path

from dmgan_tf.cache import cache_folder
from dmgan_tf.errors import UserError

_CHECKPOINT_PART = re.compile(r"\.(index|meta|data-\d+-of-\d+)$")


def find_weights(
    name: str, file_names: tuple[str, ...], source: str, weights: Path | None, cache: Path | None
) -> Path:
    """The file that was named, or else the first of its published names in the cache.

    A checkpoint of several files may be named by any of them, or by what their names have in
    common, as TensorFlow names it.

    Raises: UserError: when there is none; it says where to get it and where to put it.
    """
    folder = cache or cache_folder()
    candidates = [Path(weights)] if weights else [folder / file for file in file_names]
    for path in candidates:
        if path.is_file() or path.with_name(f"{path.name}.index").is_file():
            return path
    place = f"no file {weights}" if weights else f"no {' or '.join(file_names)} in {folder}"
    raise UserError(f"{name}: {place}. Get {source} and put it there, or give its path.")


def checkpoint_prefix(path: Path) -> Path:
    """The name that TensorFlow gives to a checkpoint of which `path` is, or names, a file."""
    return path.with_name(_CHECKPOINT_PART.sub("", path.name))


def weights_hash(path: Path) -> str:
    """SHA-256 of the file's bytes, read piece by piece; of a checkpoint, that of its data file.

    Raises: UserError: when the file can't be read.
    """
    prefix = checkpoint_prefix(path)
    data = prefix.with_name(f"{prefix.name}.data-00000-of-00001")
    try:
        with (data if data.is_file() else path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}.") from error
