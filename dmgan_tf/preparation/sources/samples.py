"""Files of many samples each, as img2dataset and Hugging Face write them: what they share.

A sample is a picture and values by key: captions, and what a sample may be refused for.
"""

import math
import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from dmgan_tf.errors import UserError
from dmgan_tf.preparation.captions_text import decode
from dmgan_tf.preparation.entry import Entry, Found, LeftOut, leaves_the_folder
from dmgan_tf.preparation.lists import MALFORMED
from dmgan_tf.preparation.picture_place import Cell, Span
from dmgan_tf.preparation.splits import SPLIT_OF, with_splits

CAPTION_KEYS = ("txt", "caption", "captions", "text", "TEXT")
IMAGE_KEYS = ("jpg", "jpeg", "png", "webp", "image", "img", "file_name", "image_path")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which samples are taken, and where it stands in them.

    Attributes: caption_key, image_key: None: the first of CAPTION_KEYS and IMAGE_KEYS that is
        there. min_similarity: of picture and caption, at `similarity_key`. language: at
        `language_key`. None: any.
    """

    caption_key: str | None = None
    image_key: str | None = None
    min_similarity: float | None = None
    similarity_key: str = "similarity"
    language: str | None = None
    language_key: str = "LANGUAGE"

    @property
    def caption_keys(self) -> tuple[str, ...]:
        """Where captions may stand, the first one first."""
        return (self.caption_key,) if self.caption_key else CAPTION_KEYS

    @property
    def image_keys(self) -> tuple[str, ...]:
        """Where the picture may stand, the first one first."""
        return (self.image_key,) if self.image_key else IMAGE_KEYS

    def refusal(self, values: dict) -> str:
        """Why a sample is not wanted, or ""."""
        if self.min_similarity is not None:
            similarity = _number(values.get(self.similarity_key))
            if similarity is None:
                return f"has no `{self.similarity_key}`"
            if not similarity >= self.min_similarity:
                return f"has the similarity {similarity:g}, less than {self.min_similarity:g}"
        if self.language is not None:
            language = _text(values.get(self.language_key))
            if not language:
                return f"has no `{self.language_key}`"
            if language.lower() != self.language.lower():
                return f"is in the language {language[:40]!r}"
        return ""


class Sample(NamedTuple):
    """`name`: within its file. `path`, `within`: of the picture, see `Entry`."""

    name: str
    path: Path
    within: Span | Cell | None
    values: dict


Reader = Callable[[Path, Wanted], Iterator[Sample | LeftOut]]


def find(
    suffix: str,
    read: Reader,
    source: Path,
    captions: Path | None,
    work: Path,
    split: str | None = None,
    test_share: float = 0.1,
    **wanted,
) -> Found:
    """Entries in the order of files and samples.

    Files or folders named `train…` and `test…` (or `validation…`, `val…`) are the splits.

    Args: suffix: of the files. read: gives a file's samples, and what it lacks by name; may raise
        where a file is damaged. source: a file or a folder of files. split, test_share: see
        `with_splits`. wanted: of `Wanted`.
    Raises: UserError: when there is no such file.
    """
    root = source if source.is_dir() else source.parent
    files = sorted(source.rglob(f"*{suffix}")) if source.is_dir() else [source]
    if not files:
        raise UserError(f"{source}: holds no {suffix} files.")
    splits = {path: _split_of(path.relative_to(root)) for path in files}
    named = set(splits.values()) >= {"train", "test"}
    found, choice = Found(entries=[]), Wanted(**wanted)
    for path in files:
        shown = path.relative_to(root).with_suffix("").as_posix()
        try:
            for sample in read(path, choice):
                if isinstance(sample, Sample) and (reason := choice.refusal(sample.values)):
                    found.excluded.append(LeftOut(f"{shown}/{sample.name}", reason))
                    continue
                entry = _entry(sample, shown, splits[path] if named else "", choice)
                (found.left_out if isinstance(entry, LeftOut) else found.entries).append(entry)
        except (*MALFORMED, tarfile.TarError) as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            found.left_out.append(LeftOut(f"{path.relative_to(root)}, from here on", reason))
    return with_splits(found, split, test_share)


def _split_of(file):
    """train, test or "", as `test/0.tar` and `validation-00000-of-00002.parquet` say."""
    words = [*file.parts[:-1], re.split(r"[-_.]", file.name)[0]]
    return next((SPLIT_OF[word] for word in words if word in SPLIT_OF), "")


def _entry(sample, file, split, wanted):
    name = f"{file}/{sample.name}"
    if isinstance(sample, LeftOut):
        return LeftOut(name, sample.reason)
    if leaves_the_folder(sample.name):
        return LeftOut(name, "has a name that leaves the folder")
    captions = _captions(sample.values, wanted)
    if not captions:
        keys = ", ".join(sample.values) or "nothing"
        return LeftOut(name, f"has no caption: there is {keys[:200]}")
    return Entry(name=name, split=split, path=sample.path, within=sample.within, captions=captions)


def _captions(values, wanted):
    """A list's texts are captions; a text is one, whatever its line ends."""
    for key in wanted.caption_keys:
        value = values.get(key)
        texts = map(_text, value if isinstance(value, list) else [value])
        if captions := tuple(text for text in texts if text):
            return captions
    return ()


def _text(value):
    """One line of text, or "" for what is none."""
    if isinstance(value, bytes):
        try:
            value = decode(value, "")
        except ValueError:
            return ""
    return " ".join(value.split()) if isinstance(value, str) else ""


def _number(value):
    try:
        number = float(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return None if math.isnan(number) else number
