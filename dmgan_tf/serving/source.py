"""Where the versions of a model are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the versions of a model are, and which of them answer.

    Attributes: base_path: folder of the versions. newest: how many, the newest first. pinned:
        these alone, where there are any. labels: version by label.
    """

    base_path: Path
    newest: int = 1
    pinned: frozenset[int] = frozenset()
    labels: Mapping[str, int] = field(default_factory=dict)
