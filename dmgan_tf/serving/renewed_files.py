"""Files that are renewed while the server runs, such as certificates and tokens."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

_LOGGER = logging.getLogger("serving")
_Value = TypeVar("_Value")


class RenewedFiles(Generic[_Value]):
    """What files hold; `refresh` reads them anew when their contents have changed.

    Args: read: function of the contents of all files → `value`; refuses them by an OSError or a
        ValueError.
    Raises: OSError, ValueError: when the first contents can't be read, or are refused.
    """

    def __init__(self, paths: Sequence[Path], read: Callable[..., _Value]):
        self._paths = tuple(paths)
        self._read = read
        self._seen: list[bytes] | None = self._contents()
        self.value = read(*self._seen)

    def refresh(self) -> None:
        """Takes new contents. Refused ones are told in one line, and the old value stays."""
        contents, names = None, ", ".join(map(str, self._paths))
        try:
            contents = self._contents()
            if contents != self._seen:
                self.value = self._read(*contents)
                _LOGGER.info("%s: renewed.", names)
        except (OSError, ValueError) as error:
            if contents != self._seen:
                _LOGGER.error("%s: the one before stays in use: %s", names, error)
        self._seen = contents

    def _contents(self):
        return [path.read_bytes() for path in self._paths]
