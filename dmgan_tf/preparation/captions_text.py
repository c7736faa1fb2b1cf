"""Captions out of people's text files."""

from pathlib import Path

# A file of another encoding decodes as one of these without an error and full of nonsense; UTF-16
# is told by its mark.
_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def read_text(path: Path) -> str:
    """A text file's contents, with line ends as they are.

    UTF-8 with or without a byte-order mark, UTF-16 with one; what is neither is read as
    Windows-1252, as old Windows programs write it.

    Raises: OSError. ValueError: when it holds zero bytes, as pictures and UTF-16 without its mark.
    """
    return decode(path.read_bytes(), path.name)


def decode(content: bytes, name: str) -> str:
    """Text of bytes, as `read_text` reads it. Raises: ValueError: for zero bytes, naming `name`."""
    encoding = _MARKS.get(content[:2], "utf-8-sig")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ValueError(f"{name} is no text: line {line} holds zero bytes")
    return text


def read_lines(path: Path) -> list[str]:
    """The lines of a text file that are not empty.

    Raises: OSError, ValueError: as `read_text`.
    """
    return [line.strip() for line in read_text(path).splitlines() if line.strip()]
