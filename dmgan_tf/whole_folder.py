"""Folders that are there whole or not at all."""

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from dmgan_tf.errors import UserError


def previous(directory: Path) -> Path:
    """Where a folder stands that is being replaced, until the new one has taken its place."""
    directory = directory.absolute()
    return directory.with_name(f".{directory.name}.replaced") if directory.name else directory


@contextlib.contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A new folder beside `target`, which takes its name at the end; removed if anything fails.

    Raises: UserError: when `target` is there already, or can't be written.
    """
    if target.exists():
        raise UserError(f"{target} is there already: give another name, or remove it.")
    # A name of its own: nothing of anybody's is ever in the way.
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise UserError(f"{target}: cannot be written: {error.strerror}.") from error
    try:
        yield partial
        partial.rename(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
