"""Entries of a data source to a prepared folder: checked in parallel, whole or not at all.

The folder is written as NAME.partial, shard by shard, and renamed when it is whole. A shard stands
there under its name only when its lines of the index stand beside it, so that a run that was
stopped goes on after the last whole shard.
"""

import hashlib
import json
import multiprocessing
import shutil
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from dmgan_tf.data.prepared import FORMAT, INDEX, METADATA, REPORT, VOCABULARY, Row
from dmgan_tf.data.square_crop import square_crop
from dmgan_tf.data.vocabulary import Vocabulary
from dmgan_tf.errors import UserError
from dmgan_tf.preparation.captions_text import split_captions
from dmgan_tf.preparation.entry import Entry, Found, LeftOut
from dmgan_tf.preparation.picture_file import Picture, read_picture

PICTURES_PER_SHARD = 512
_PLAN = "plan.txt"
_GROWTH_AS_PNG = 6  # of a WebP picture; 3,092 emoji grew from 15 to 97 MB
_FRAME_BYTES = 12  # of a record in a TFRecord file: its length and the length's checksum


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What will be written, known before a picture is looked at.

    Attributes: source: what it came from. entries: with the captions that will be used. vocabulary.
        left_out: so far. picture_bytes: of all files together: about the size of the result.
    """

    source: str
    entries: list[Entry]
    vocabulary: Vocabulary
    left_out: list[LeftOut]
    picture_bytes: int

    def summary(self) -> str:
        """For people: pictures and captions per split, words, size, what was left out."""
        lines = []
        for split, count in sorted(Counter(entry.split for entry in self.entries).items()):
            captions = sum(len(e.captions) for e in self.entries if e.split == split)
            lines.append(f"{split}: {count:,} pictures, {captions:,} captions")
        lines.append(f"vocabulary: {len(self.vocabulary):,} words")
        lines.append(f"size: about {self.picture_bytes / 2**20:,.0f} MiB")
        lines.append(f"left out so far: {len(self.left_out):,}")
        return "\n".join(lines)


def plan(found: Found, source: str, most_words: int | None, strict: bool = False) -> Plan:
    """Captions and vocabulary.

    Args: most_words: entries of the vocabulary at most, the end included; None: all. strict: the
        first thing to be left out is an error.
    Raises: UserError: with `strict`, or when nothing is left.
    """
    left_out = _Report(strict, found.left_out)
    entries, names = [], set()
    for entry in found.entries:
        captions, empty = split_captions(list(entry.captions))
        for caption in empty:
            left_out.add(entry.name, f"a caption without a word: {caption[:60]!r}")
        if entry.name in names:
            left_out.add(entry.name, "is the name of an earlier picture as well")
        elif not captions:
            left_out.add(entry.name, "has no caption")
        else:
            names.add(entry.name)
            entries.append(replace(entry, captions=captions))
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
        first = f" The first thing left out: {left_out.items[0]}." if left_out.items else ""
        raise UserError(f"{source}: holds no picture with a caption to train with.{first}")
    size = sum(_forecast(entry.path) for entry in kept)
    return Plan(
        source=source,
        entries=kept,
        vocabulary=vocabulary,
        left_out=left_out.items,
        picture_bytes=size,
    )


def write(plan: Plan, out: Path, strict: bool = False, processes: int | None = None) -> str:
    """Writes the prepared folder; returns what was done, for people.

    Raises: UserError: with `strict`, or when the disk has not the room, or no picture is left.
    """
    partial = out.with_name(f"{out.name}.partial")
    _begin(plan, partial)
    left_out = _Report(strict, plan.left_out)
    rows: list[Row] = []
    changed: Counter[str] = Counter()
    shards = list(_shards(plan.entries))
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(processes, context) as pool,
        tqdm(total=len(plan.entries), desc="pictures", unit="picture") as bar,
    ):
        for name, entries in shards:
            done = _read_journal(partial, name) or _write_shard(partial, name, entries, pool)
            for refused in done.left_out:
                left_out.add(*refused)
            rows.extend(done.rows)
            changed.update(done.changed)
            bar.update(len(entries))
    if not any(row.split == "train" for row in rows):
        raise UserError(f"{plan.source}: no picture is left. The first: {left_out.items[0]}.")
    _finish(plan, partial, rows, left_out.items, changed)
    partial.rename(out)
    lines = [
        f"{split}: {n:,} pictures" for split, n in sorted(Counter(r.split for r in rows).items())
    ]
    lines += [f"{what}: {n:,}" for what, n in sorted(changed.items())]
    lines.append(f"left out: {len(left_out.items):,}, each with its reason in {out / REPORT}")
    return "\n".join(lines)


def _forecast(path):
    """Bytes that a picture will take, about."""
    if not path.is_file():
        return 0
    kept = path.suffix.lower() in (".jpg", ".jpeg", ".png")
    return path.stat().st_size * (1 if kept else _GROWTH_AS_PNG)


class _Report:
    """Collects what is left out; strict, it raises instead."""

    def __init__(self, strict: bool, items: Iterable[LeftOut]):
        self.items: list[LeftOut] = []
        self._strict = strict
        for item in items:
            self.add(*item)

    def add(self, name, reason):
        if self._strict:
            raise UserError(f"{name}: {reason}. Without --strict it would be left out.")
        self.items.append(LeftOut(name, reason))


class _Shard(NamedTuple):
    """What became of a shard's entries."""

    rows: list[Row]
    left_out: list[LeftOut]
    changed: dict[str, int]


def _begin(plan, partial):
    """Makes the folder, or finds it as a run of the same plan left it."""
    described = [
        (e.name, e.split, str(e.path), e.captions, e.class_id, e.box, _stamp(e.path))
        for e in plan.entries
    ]
    content = json.dumps([FORMAT, described, plan.vocabulary.words])
    fingerprint = hashlib.sha256(content.encode()).hexdigest()
    path = partial / _PLAN
    if partial.exists() and not path.is_file():
        raise UserError(f"{partial} is there and was not begun by this program: move it away.")
    if not path.is_file() or path.read_text() != fingerprint:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        path.write_text(fingerprint)
    free = shutil.disk_usage(partial).free
    if free < plan.picture_bytes:
        raise UserError(
            f"{partial}: about {plan.picture_bytes / 2**20:,.0f} MiB will be written, but the disk "
            f"has {free / 2**20:,.0f} MiB left. Free some space, or name another --out."
        )


def _stamp(path):
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _shards(entries):
    """(name, entries) of each shard."""
    for split in ("train", "test"):
        chosen = [entry for entry in entries if entry.split == split]
        count = -(-len(chosen) // PICTURES_PER_SHARD)
        for i in range(count):
            part = chosen[i * PICTURES_PER_SHARD : (i + 1) * PICTURES_PER_SHARD]
            yield f"{split}-{i:05d}-of-{count:05d}.tfrecord", part


def _look(entry: Entry) -> Picture | str:
    """The picture of an entry, or why there is none; runs in processes of its own."""
    try:
        picture = read_picture(entry.path)
        if entry.box:
            square_crop(entry.box, picture.width, picture.height)
    except (ValueError, OverflowError) as error:
        return str(error)
    return picture


def _write_shard(partial, name, entries, pool):
    import tensorflow as tf

    rows, left_out, changed, position = [], [], Counter(), 0
    writing = partial / f"{name}.writing"
    with tf.io.TFRecordWriter(str(writing)) as writer:
        for entry, picture in zip(entries, pool.map(_look, entries, chunksize=8), strict=True):
            if isinstance(picture, str):
                left_out.append(LeftOut(entry.name, picture))
                continue
            example = _example(entry, picture.content)
            writer.write(example)
            rows.append(
                Row(
                    name=entry.name,
                    split=entry.split,
                    class_id=entry.class_id,
                    box=list(entry.box) if entry.box else None,
                    captions=list(entry.captions),
                    width=picture.width,
                    height=picture.height,
                    shard=name,
                    offset=position + _FRAME_BYTES + example.index(picture.content),
                    size=len(picture.content),
                )
            )
            position += _FRAME_BYTES + len(example) + 4  # and the checksum behind it
            changed.update(picture.changed)
    shard = _Shard(rows, left_out, dict(changed))
    _journal(partial, name).write_text(json.dumps([[r._asdict() for r in rows], *shard[1:]]))
    writing.rename(partial / name)
    return shard


def _journal(partial, name):
    return partial / f"{name}.json"


def _read_journal(partial, name):
    """What became of a shard that an earlier run has finished, or None."""
    if not (partial / name).is_file():
        return None
    rows, left_out, changed = json.loads(_journal(partial, name).read_text())
    return _Shard([Row(**row) for row in rows], [LeftOut(*item) for item in left_out], changed)


def _example(entry, content):
    import tensorflow as tf

    def texts(*values):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    features = {
        "name": texts(entry.name.encode()),
        "image": texts(content),
        "captions": texts(*(caption.encode() for caption in entry.captions)),
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString(deterministic=True)


def _finish(plan, partial, rows, left_out, changed):
    """Index, vocabulary, report and metadata; the journals go."""
    for path in (partial / _PLAN, *partial.glob("*.json"), *partial.glob("*.writing")):
        path.unlink()
    plan.vocabulary.save(partial / VOCABULARY)
    lines = (json.dumps(row._asdict(), ensure_ascii=False) + "\n" for row in rows)
    (partial / INDEX).write_text("".join(lines), encoding="utf-8")
    report = {
        "left_out": [item._asdict() for item in left_out],
        "changed": dict(sorted(changed.items())),
    }
    metadata = {
        "format": FORMAT,
        "source": plan.source,
        "pictures": dict(sorted(Counter(row.split for row in rows).items())),
        "captions": sum(len(row.captions) for row in rows),
        "vocabulary_fingerprint": plan.vocabulary.fingerprint,
    }
    for name, content in ((REPORT, report), (METADATA, metadata)):
        text = json.dumps(content, indent=1, ensure_ascii=False)
        (partial / name).write_text(text, encoding="utf-8")
