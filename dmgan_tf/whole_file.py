"""Files that are there whole or not at all; JSON that may be damaged."""

import contextlib
import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from dmgan_tf.errors import UserError


def check_writable(folder: Path) -> None:
    """Raises UserError where a folder, which need not exist yet, can't be written to."""
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK)):
        raise UserError(f"{folder}: {existing} is no folder that can be written to.")


def check_space(folder: Path, size: int) -> None:
    """Raises OSError where a disk has less space than this many bytes.

    For HDF5, which ends the process by a segmentation fault on a full disk.
    """
    if shutil.disk_usage(folder).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


@contextlib.contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """A place beside `target`, which takes its name, and its place, when the block has succeeded.

    Raises: UserError: when it can't be written there; a full disk stays an `OSError`, which the
        command lines tell with what to do.
    """
    # A name of its own: workers on several machines may write the same file.
    partial = target.with_name(f"{target.name}.{secrets.token_hex(4)}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        partial.replace(target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(f"{target}: cannot be written: {error.strerror}.") from error
        raise


def write_text(target: Path, text: str) -> None:
    """Writes UTF-8 by way of `whole_file`."""
    with whole_file(target) as partial:
        partial.write_text(text, encoding="utf-8")


def read_json(path: Path) -> dict:
    """Names and values of a JSON file. Raises: UserError: when it holds none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict):
            return content
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as JSON: {error}.") from error
    raise UserError(f"{path}: must hold names and values.")
