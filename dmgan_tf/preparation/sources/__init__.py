"""Data sets as people find them, by name; each module finds the entries of one."""

import errno
from collections.abc import Callable
from functools import partial
from pathlib import Path

from dmgan_tf.errors import UserError
from dmgan_tf.preparation.entry import Found
from dmgan_tf.preparation.lists import MALFORMED
from dmgan_tf.preparation.sources import (
    attngan,
    celeba,
    coco,
    cub,
    flowers,
    fluent_emoji,
    folder,
    parquet,
    samples,
    tfrecord,
    webdataset,
)

_FINDERS: dict[str, Callable[..., Found]] = {
    "cub": cub.find,
    "coco": coco.find,
    "attngan": attngan.find,
    "flowers": flowers.find,
    "celeba": celeba.find,
    "folder": folder.find,
    "webdataset": partial(samples.find, webdataset.SUFFIX, webdataset.read),
    "parquet": partial(samples.find, parquet.SUFFIX, parquet.read),
    "tfrecord": partial(samples.find, tfrecord.SUFFIX, tfrecord.read),
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
