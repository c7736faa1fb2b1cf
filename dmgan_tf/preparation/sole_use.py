"""Files and folders that one run at a time works on."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from dmgan_tf.errors import UserError


@contextlib.contextmanager
def sole_use(path: Path) -> Iterator[None]:
    """Holds a file or a folder against other runs; one that was killed holds nothing.

    Raises: UserError: when another run has it.
    """
    opened = os.open(path, os.O_RDONLY)
    try:
        if not _is_free(opened) or not _is_at(opened, path):
            raise UserError(f"{path}: another run is at work on it. Try again when it is done.")
        yield
    finally:
        os.close(opened)


def _is_free(opened):
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        pass
    return True


def _is_at(opened, path):
    """Whether it wasn't renamed or deleted between opening and locking."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(opened), path.stat())
    return False
