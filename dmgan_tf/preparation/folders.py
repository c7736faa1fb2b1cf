"""Where data sets stand in people's folders and archives."""

from collections.abc import Iterable
from pathlib import Path

from dmgan_tf.errors import UserError
from dmgan_tf.preparation.archives import is_archive, unpack
from dmgan_tf.preparation.splits import SPLIT_OF


def unpacked(source: Path, folder: Path) -> Path:
    """A folder as it is; of an archive what it holds, without the only folder that holds all of it.

    Args: folder: to unpack into.
    Raises: UserError: as `unpack`.
    """
    return _innermost(unpack(source, folder)) if is_archive(source) else source


def is_hidden(path: Path) -> bool:
    """What file managers leave behind: `.DS_Store`, `._a.jpg`, `__MACOSX/`."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def first_with(root: Path, names: Iterable[str], pattern: str, what: str) -> Path:
    """The first of these folders below `root` that holds files of a pattern.

    Raises: UserError: when none does, naming `what` is missing.
    """
    for name in names:
        if any((root / name).glob(pattern)):
            return root / name
    raise UserError(f"{root}: holds no {what}.")


def _innermost(folder):
    inside = [path for path in folder.iterdir() if not is_hidden(path.relative_to(folder))]
    only = len(inside) == 1 and inside[0].is_dir() and inside[0].name not in SPLIT_OF
    return inside[0] if only else folder
