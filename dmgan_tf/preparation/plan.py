"""What will be written of a data source, known before a picture is looked at."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from dmgan_tf.data.tokens import tokenize
from dmgan_tf.data.vocabulary import Vocabulary
from dmgan_tf.errors import UserError
from dmgan_tf.preparation.duplicates import without_duplicates
from dmgan_tf.preparation.entry import Entry, Found, LeftOut
from dmgan_tf.preparation.limits import Limits
from dmgan_tf.preparation.picture_place import grows

FEWEST_TEST_PICTURES = 100  # R-precision looks for a picture's caption among as many
_GROWTH_AS_PNG = 6  # of a WebP picture; 3,092 emoji grew from 15 to 97 MB
_TOLD = 5  # of what is left out, in the summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What will be written, known before a picture is looked at.

    Attributes: source: what it came from. entries: with the captions that will be used. vocabulary.
        left_out: so far. excluded: as asked for or by design. limits: of the pictures' sizes.
    """

    source: str
    entries: list[Entry]
    vocabulary: Vocabulary
    left_out: list[LeftOut]
    excluded: list[LeftOut]
    limits: Limits

    def summary(self) -> str:
        """For people: pictures and captions per split, words, size, what was left out."""
        lines = []
        for split, count in sorted(Counter(entry.split for entry in self.entries).items()):
            captions = sum(len(e.captions) for e in self.entries if e.split == split)
            lines.append(f"{split}: {count:,} pictures, {captions:,} captions")
        lines.append(f"vocabulary: {len(self.vocabulary):,} words")
        lines.append(f"size: about {forecast(self.entries) / 2**20:,.0f} MiB")
        lines.append(f"left out so far, pictures and captions: {len(self.left_out):,}")
        lines += [f"  {item}" for item in self.left_out[:_TOLD]]
        if len(self.left_out) > _TOLD:
            lines.append(f"  … and {len(self.left_out) - _TOLD:,} more")
        if self.excluded:
            lines.append(f"excluded, as asked for or by design: {len(self.excluded):,}")
        return "\n".join(lines)


def plan(
    found: Found,
    source: str,
    most_words: int | None,
    strict: bool = False,
    limits: Limits | None = None,
    deduplicate: bool = False,
) -> Plan:
    """Captions and vocabulary.

    Args: most_words: entries of the vocabulary at most, the end included; None: all. strict: the
        first thing to be left out is an error. limits: smaller and thinner pictures will be left
        out. deduplicate: exclude pictures with the bytes of an earlier one that has captions.
    Raises: UserError: with `strict`, or when nothing is left.
    """
    left_out = Report(strict, found.left_out)
    entries, names = [], set()
    for entry in found.entries:
        captions = _captions(entry, left_out)
        if not _is_unicode(entry.name):
            left_out.add(entry.name, "has a name that is no UTF-8")
        elif entry.name in names:
            left_out.add(entry.name, "is the name of an earlier picture as well")
        elif entry.class_id is not None and not 0 <= entry.class_id < 2**31:
            left_out.add(entry.name, f"has the class {entry.class_id}, which is not in [0, 2³¹)")
        elif not captions:
            left_out.add(entry.name, "has no caption")
        else:
            names.add(entry.name)
            entries.append(replace(entry, captions=captions))
    excluded = list(found.excluded)
    if deduplicate:
        entries, duplicates = without_duplicates(entries)
        excluded += duplicates
    if found.words:
        vocabulary = Vocabulary(found.words)
    else:
        training = (c for e in entries if e.split == "train" for c in e.captions)
        vocabulary = Vocabulary.from_captions(training, most_words)
    kept = []
    for entry in entries:
        known = tuple(c for c in entry.captions if vocabulary.encode(c)[0])
        if unknown := len(entry.captions) - len(known):
            left_out.add(entry.name, f"{unknown} captions without a known word")
        if known:
            kept.append(replace(entry, captions=known))
        else:
            left_out.add(entry.name, "has no caption with a known word")
    if not any(entry.split == "train" for entry in kept):
        told = [*left_out.items[:1], *excluded[:1]]
        first = f" The first thing left out: {told[0]}." if told else ""
        raise UserError(f"{source}: holds no picture with a caption to train with.{first}")
    return Plan(
        source=source,
        entries=kept,
        vocabulary=vocabulary,
        left_out=left_out.items,
        excluded=excluded,
        limits=limits or Limits(),
    )


def few_test_pictures(splits: Iterable[str]) -> str:
    """A warning where a data set, of these splits of its pictures, is too small; else empty."""
    count = sum(split == "test" for split in splits)
    if count >= FEWEST_TEST_PICTURES:
        return ""
    return (
        f"Test pictures: {count:,}. R-precision looks for a picture's caption among "
        f"{FEWEST_TEST_PICTURES}; with fewer it is too high and comparable with no other."
    )


class Report:
    """Collects what is left out; strict, it raises instead."""

    def __init__(self, strict: bool, items: Iterable[LeftOut]):
        self.items: list[LeftOut] = []
        self._strict = strict
        for item in items:
            self.add(*item)

    def add(self, name: str, reason: str) -> None:
        """Raises UserError where it is strict."""
        if self._strict:
            raise UserError(f"{name}: {reason}. Without --strict it would be left out.")
        self.items.append(LeftOut(name, reason))


def forecast(entries: Iterable[Entry]) -> int:
    """Bytes that the pictures will take, about."""
    return sum(map(_forecast, entries))


def stamp(path: Path) -> tuple[int, int] | None:
    """Size in bytes and time of last change in ns, or None when there is no such file."""
    try:
        status = path.stat()
    except (OSError, ValueError):  # absent, too long, with a zero byte
        return None
    return status.st_size, status.st_mtime_ns


def _captions(entry, left_out):
    """The captions that can be used; of the others it is told why not."""
    good = []
    for caption in entry.captions:
        if not _is_unicode(caption):
            left_out.add(entry.name, f"a caption that is no Unicode: {caption[:60]!r}")
        elif not tokenize(caption):
            left_out.add(entry.name, f"a caption without a word: {caption[:60]!r}")
        else:
            good.append(caption)
    return tuple(good)


def _is_unicode(text):
    """False for what Python reads of names of another encoding, and of halves of \\u escapes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _forecast(entry):
    if entry.within:
        size, growing = entry.within.size, entry.within.grows
    else:
        size, growing = (stamp(entry.path) or (0, 0))[0], grows(entry.path.name)
    return size * (_GROWTH_AS_PNG if growing else 1)
