"""A picture with its captions as a data source finds it, before it is looked at."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from dmgan_tf.preparation.picture_place import Cell, Span


class LeftOut(NamedTuple):
    """Something that will not be trained with, by name, and why."""

    name: str
    reason: str

    def __str__(self):
        return f"{self.name}: {self.reason}"


def leaves_the_folder(name: str) -> bool:
    """Whether a list's name of a file leads out of the folder that the list is of."""
    return Path(name).is_absolute() or ".." in Path(name).parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One picture of a source.

    Attributes:
        name: unique in its source; tells a person which picture is meant.
        split: `train` or `test`.
        path: of the file that holds the picture.
        captions: as they were found, in their order.
        within: where in `path` the picture stands; None: the file is the picture.
        class_id: int32, or None; pictures of one class are no negatives of each other.
        box: (x, y, width, height) of the object in pixels, or None.
    """

    name: str
    split: str
    path: Path
    captions: tuple[str, ...]
    within: Span | Cell | None = None
    class_id: int | None = None
    box: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a source gives.

    Attributes:
        entries: in a fixed order.
        left_out: what the source could not use.
        excluded: what is left out of every copy of it by design, or as asked for, and so isn't a
            fault of this one.
        words: the vocabulary that came with it, id for id; None: it is made of the training
            captions.
    """

    entries: list[Entry]
    left_out: list[LeftOut] = field(default_factory=list)
    excluded: list[LeftOut] = field(default_factory=list)
    words: tuple[str, ...] | None = None
