"""Pictures looked at in processes of their own."""

import multiprocessing
import os
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial

from dmgan_tf.data.square_crop import square_crop
from dmgan_tf.errors import UserError
from dmgan_tf.preparation.entry import Entry
from dmgan_tf.preparation.limits import Limits
from dmgan_tf.preparation.picture_file import TURNED, Picture, read_picture


def look_at(
    entries: Iterable[Entry], limits: Limits, pool: ProcessPoolExecutor
) -> Iterator[Picture | str]:
    """The picture of each entry, or why there is none.

    Raises: UserError: when a process was killed.
    """
    try:
        for found in pool.map(partial(_look, limits), entries, chunksize=8):
            yield found if isinstance(found, str) else _undecodable(found.content) or found
    except BrokenProcessPool as error:
        raise UserError(
            "A process that looks at pictures was killed, for want of memory as a rule. Try "
            "--processes 1; started again it goes on."
        ) from error


def processes(count: int | None) -> ProcessPoolExecutor:
    """A pool that ends with this process. Args: count: None: one per core."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(count, context, _end_with_parent)


def _end_with_parent():
    """A worker whose parent was killed would wait without end."""

    def wait():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _look(limits: Limits, entry: Entry) -> Picture | str:
    """The picture of an entry, or why there is none; runs in processes of its own."""
    try:
        picture = read_picture(entry.path, entry.within, limits)
        if entry.box:
            crop = square_crop(entry.box, picture.width, picture.height)
            if min(crop[2:]) < limits.least_side:
                return f"its box {list(entry.box)} is too small"
            if TURNED in picture.changed:
                return "is turned by EXIF, so that it's not known where its box lies"
    except (ValueError, OverflowError) as error:
        return str(error)
    return picture


def _undecodable(content):
    """Why TensorFlow, which reads some files otherwise than Pillow, can't use a picture, or ""."""
    import tensorflow as tf

    try:
        tf.io.decode_image(content, 3, expand_animations=False)
    except tf.errors.InvalidArgumentError:
        return "can't be decoded by TensorFlow"
    return ""
