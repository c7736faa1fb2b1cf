"""Data sets as people find them, by name; each module finds the entries of one."""

import errno
from collections.abc import Callable
from pathlib import Path

from dmgan_tf.errors import UserError
from dmgan_tf.preparation.entry import Found
from dmgan_tf.preparation.lists import MALFORMED
from dmgan_tf.preparation.sources import attngan, coco, cub, fluent_emoji, folder

_FINDERS: dict[str, Callable[..., Found]] = {
    "cub": cub.find,
    "coco": coco.find,
    "attngan": attngan.find,
    "folder": folder.find,
    "fluent-emoji": fluent_emoji.find,
}


def find(name: str, source: Path, captions: Path | None, work: Path, **options) -> Found:
    """The entries of a source. Args: options: those of its own `find`.

    Raises: UserError: also for what no source foresaw in untrusted files.
    """
    try:
        return _FINDERS[name](source, captions, work, **options)
    except MALFORMED as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UserError(f"{source}: cannot be read as {name}: {error}.") from error
