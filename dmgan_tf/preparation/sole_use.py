"""Files and folders that one run at a time writes."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from dmgan_tf.errors import UserError


@contextmanager
def sole_use(path: Path) -> Iterator[None]:
    """Holds a file or a folder, there or not, against other runs; a killed run holds nothing.

    Raises: UserError: when another run has it.
    """
    # Beside it: a folder could not be renamed on Windows while a file in it is open.
    lock = path.with_name(f"{path.name}.lock")
    held = FileLock(lock, blocking=False)
    try:
        held.acquire()
    except Timeout as error:
        raise UserError(
            f"{path}: another run is writing there. Try again when it is done."
        ) from error
    try:
        yield
    finally:
        # While it is held: a run that then locks the old file finds that it is no longer there.
        with suppress(OSError):  # Windows; there filelock removes it
            lock.unlink()
        held.release()
