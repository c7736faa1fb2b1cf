"""Files that are there whole or not at all."""

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from dmgan_tf.errors import UserError


@contextlib.contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """A place beside `target`, which takes its name, and its place, when the block has succeeded.

    Raises: UserError: when it can't be written there; a full disk stays an `OSError`, which the
        command lines tell with what to do.
    """
    partial = target.with_name(f"{target.name}.partial")
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
