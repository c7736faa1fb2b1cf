"""Lists of pictures with captions, as people write them; what is wrong is told by file and line."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

from dmgan_tf.errors import UserError
from dmgan_tf.preparation.captions_text import read_text

# What untrusted files make their readers raise: contents of another kind, depth or size.
MALFORMED = (
    OSError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    RecursionError,
)


def read_list(path: Path) -> str:
    """A list's text, of any encoding that `read_text` knows.

    Raises: UserError: when it can't be read, or is no text.
    """
    try:
        return read_text(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise UserError(f"{path}: {error}.") from error


def read_json_lines(path: Path) -> Iterator[tuple[int, dict]]:
    """(line, object) of each line that isn't empty.

    Raises: UserError: as `read_list`, and for a line that is no JSON, too deep, or no object.
    """
    # Not splitlines: a caption may hold other line ends.
    for number, line in enumerate(read_list(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}, line {number}: is no JSON: {error}.") from error
        if not isinstance(row, dict):
            raise UserError(f"{path}, line {number}: must be an object: {line[:80]!r}.")
        yield number, row


def read_csv(path: Path) -> Iterator[tuple[int, dict]]:
    """(line, values by the names in the first line) of each row, less those that are empty.

    Raises: UserError: as `read_list`, and for what is no CSV or has too many values.
    """
    try:
        reader = csv.DictReader(io.StringIO(read_list(path), ""), strict=True)
        for row in reader:
            if None in row:
                raise UserError(
                    f"{path}, line {reader.line_num}: has more fields than the first line: put "
                    "captions with a comma in quotes."
                )
            yield reader.line_num, {key: value for key, value in row.items() if value}
    except csv.Error as error:
        raise UserError(f"{path}: cannot be read as CSV: {error}.") from error
