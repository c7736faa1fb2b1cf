"""Shares of a prepared folder, each written on a machine of its own, in a folder beside it."""

import hashlib
import json
import logging
import shutil
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from dmgan_tf.data.prepared import FORMAT
from dmgan_tf.errors import UserError
from dmgan_tf.preparation.plan import Plan, stamp

_SIGNED = "share.txt"
_LOGGER = logging.getLogger(__name__)


def folder(out: Path, number: int, count: int) -> Path:
    """Where a share of `out` is written."""
    return out.with_name(f"{out.name}.share-{number}-of-{count}")


def folders(out: Path, count: int) -> list[Path]:
    """Where all shares of `out` are written."""
    return [folder(out, number, count) for number in range(count)]


def sign(share: Path, plan: Plan) -> None:
    """Writes into a share which plan it is of."""
    (share / _SIGNED).write_text(signature(plan))


def signature(plan: Plan) -> str:
    """What tells a plan from others, on every machine."""
    return fingerprint(plan, _size)


def check(out: Path, count: int, wanted: str | None = None) -> None:
    """Raises UserError where a share is missing, is a link, or has not the signature `wanted`."""
    for number, share in enumerate(folders(out, count)):
        if share.is_symlink():
            raise UserError(f"{share}: is a link: move the folder itself there.")
        try:
            found = (share / _SIGNED).read_text()
        except OSError as error:
            raise UserError(
                f"{share}: the share {number}/{count} is missing. Prepare it with --shard "
                f"{number}/{count}, or bring it there."
            ) from error
        if wanted and found != wanted:
            raise UserError(
                f"{share}: is of other data or other options than this command's. Remove it, and "
                f"prepare it again with --shard {number}/{count}."
            )


def remove(out: Path, count: int) -> None:
    """Removes what is left of the shares; what can't be is told as a warning."""
    for share in folders(out, count):
        try:
            shutil.rmtree(share)
        except OSError as error:
            _LOGGER.warning("%s: has been joined and can't be removed: %s", share, error)


def fingerprint(plan: Plan, mark: Callable[[Path], object]) -> str:
    """A hash of what will be written. Args: mark: what tells a file from a changed one."""
    marks = lru_cache(1024)(mark)
    digest = hashlib.sha256(json.dumps([FORMAT, plan.limits, plan.vocabulary.words]).encode())
    for e in plan.entries:
        described = (e.name, e.split, e.captions, e.class_id, e.box, e.within, marks(e.path))
        digest.update(json.dumps(described).encode())
    return digest.hexdigest()


def _size(path):
    """The same on every machine, wherever the data are mounted or unpacked."""
    return (stamp(path) or (None, None))[0]
