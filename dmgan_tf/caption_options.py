"""The sentences of a command line: `--caption` and `--captions-file`."""

import argparse
import logging
from collections.abc import Callable
from pathlib import Path

from dmgan_tf.errors import UserError


def add_caption(options: argparse._ActionsContainer) -> None:
    """The option that names sentences, one or several."""
    options.add_argument(
        "--caption",
        nargs="+",
        action="extend",
        metavar="SENTENCE",
        help="one sentence or several, each in quotes",
    )


def add_captions(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """The options of every command that draws sentences; `captions_of` reads them."""
    what = parser.add_mutually_exclusive_group(required=required)
    add_caption(what)
    what.add_argument(
        "--captions-file",
        type=Path,
        metavar="FILE",
        help="text file with one sentence on each line",
    )


def captions_of(
    arguments: argparse.Namespace, check: Callable[[str], object] | None = None
) -> list[str]:
    """The captions that the options of `add_captions` name.

    Args: check: raises a UserError for a caption that can't be drawn; all are checked.
    Raises: UserError: when the file can't be read or holds none, or for what `check` refuses, with
        the line.
    """
    path = arguments.captions_file
    if path is None:
        numbered = [("", caption) for caption in arguments.caption]
        if len(numbered) > 2 and all(len(caption.split()) == 1 for _, caption in numbered):
            logging.getLogger(__name__).warning(
                "--caption names %d captions of one word each. A sentence needs quotes.",
                len(numbered),
            )
    else:
        numbered = [(f"{path}, line {n}: ", line) for n, line in _lines(path)]
    for place, caption in numbered:
        try:
            if check:
                check(caption)
        except UserError as error:
            raise UserError(f"{place}{error}") from error
    return [caption for _, caption in numbered]


def _lines(path):
    """Number and text of the lines that aren't blank."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as text: {error}.") from error
    numbered = [(n, line.strip()) for n, line in enumerate(lines, start=1) if line.strip()]
    if not numbered:
        raise UserError(f"{path}: holds no caption.")
    return numbered
