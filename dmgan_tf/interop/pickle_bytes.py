"""The bytes of a pickle, read one after another, and what stands in them as plain values."""

import codecs
import pickle
import struct
from collections.abc import Callable


class FormatError(ValueError):
    """Why a file isn't read; the message goes on from "PATH: "."""


class PickleBytes:
    """Bytes that are taken from the front.

    Attributes: content: all of them. position: the first that isn't taken yet.
    """

    def __init__(self, content: bytes):
        self.content = content
        self.position = 0

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        end = self.position + count
        if count < 0 or end > len(self.content):
            raise FormatError(
                f"is cut off or damaged: {count} bytes are missing from byte {self.position} on, "
                f"the file has {len(self.content)}."
            )
        taken = self.content[self.position : end]
        self.position = end
        return taken

    def line(self) -> bytes:
        """The bytes to the next line end, which is left out."""
        end = self.content.find(b"\n", self.position)
        if end < 0:
            raise FormatError(f"is cut off: the line at byte {self.position} has no end.")
        line = self.content[self.position : end]
        self.position = end + 1
        return line

    def number(self, form: str):
        """A number in a form of `struct`."""
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]


def _whole_number(line):
    return {b"00": False, b"01": True}[line] if line in (b"00", b"01") else int(line)


def _python_2_string(line):
    if len(line) < 2 or line[:1] not in b"'\"" or line[:1] != line[-1:]:
        raise ValueError("a string without its quotes")
    return codecs.escape_decode(line[1:-1])[0].decode("latin-1")  # as Python's own unpickler does


def _latin_1(content):
    return content.decode("latin-1")


def _utf_8(content):
    return content.decode("utf-8", "surrogatepass")


def _little_endian(content):
    return int.from_bytes(content, "little", signed=True)


NUMBERS = {pickle.BININT1: "<B", pickle.BININT2: "<H", pickle.BININT: "<i", pickle.BINFLOAT: ">d"}
LINES: dict[bytes, Callable[[bytes], object]] = {
    pickle.INT: _whole_number,
    pickle.LONG: lambda line: int(line.rstrip(b"L")),
    pickle.FLOAT: float,
    pickle.STRING: _python_2_string,
    pickle.UNICODE: lambda line: line.decode("raw-unicode-escape"),
}
COUNTED: dict[bytes, tuple[str, Callable[[bytes], object]]] = {  # form of the count, decoder
    pickle.LONG1: ("<B", _little_endian),
    pickle.BINSTRING: ("<i", _latin_1),
    pickle.SHORT_BINSTRING: ("<B", _latin_1),
    pickle.BINUNICODE: ("<I", _utf_8),
    pickle.SHORT_BINUNICODE: ("<B", _utf_8),
    pickle.BINUNICODE8: ("<Q", _utf_8),
    pickle.BINBYTES: ("<I", bytes),
    pickle.SHORT_BINBYTES: ("<B", bytes),
    pickle.BINBYTES8: ("<Q", bytes),
    pickle.BYTEARRAY8: ("<Q", bytes),
}
