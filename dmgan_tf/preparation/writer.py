"""Entries of a data source to a prepared folder: checked in parallel, whole or not at all.

The folder is written as NAME.partial, shard by shard, and renamed when it is whole. A shard stands
there under its name only when its lines of the index stand beside it, so that a run that was
stopped goes on after the last whole shard.
"""

import hashlib
import json
import logging
import multiprocessing
import os
import shutil
import threading
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from dmgan_tf.data.prepared import FORMAT, INDEX, METADATA, REPORT, VOCABULARY, Row
from dmgan_tf.data.square_crop import square_crop
from dmgan_tf.errors import UserError
from dmgan_tf.preparation.entry import Entry, LeftOut
from dmgan_tf.preparation.picture_file import LEAST_SIDE, TURNED, Picture, read_picture
from dmgan_tf.preparation.plan import Plan, Report, few_test_pictures, stamp
from dmgan_tf.preparation.sole_use import sole_use

PICTURES_PER_SHARD = 512
_BEGUN = "plan.txt"
_LOGGER = logging.getLogger(__name__)
_FRAME_BYTES = 12  # of a record in a TFRecord file: its length and the length's checksum


def write(plan: Plan, out: Path, strict: bool = False, processes: int | None = None) -> str:
    """Writes the prepared folder; returns what was done, for people.

    Raises: UserError: with `strict`, or when the disk has not the room, or no picture is left.
    """
    partial = out.with_name(f"{out.name}.partial")
    with _begun(plan, partial):
        return _write(plan, partial, out, strict, processes)


def _write(plan, partial, out, strict, processes):
    left_out = Report(strict, plan.left_out)
    rows: list[Row] = []
    changed: Counter[str] = Counter()
    shards = list(_shards(plan.entries))
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(processes, context, _end_with_parent) as pool,
        tqdm(total=len(plan.entries), desc="pictures", unit="picture") as bar,
    ):
        for name, entries in shards:
            done = _read_journal(partial, name)
            if done:
                bar.update(len(entries))
            else:
                done = _write_shard(partial, name, entries, pool, bar)
            for refused in done.left_out:
                left_out.add(*refused)
            rows.extend(done.rows)
            changed.update(done.changed)
    if not any(row.split == "train" for row in rows):
        raise UserError(f"{plan.source}: no picture is left. The first: {left_out.items[0]}.")
    _describe(plan, partial, rows, left_out.items, changed)
    for path in partial.glob("*.writing"):
        path.unlink()
    partial.rename(out)
    for path in (*out.glob("*.tfrecord.json"), out / _BEGUN):
        path.unlink()
    lines = [
        f"{split}: {n:,} pictures" for split, n in sorted(Counter(r.split for r in rows).items())
    ]
    lines += [f"{what}: {n:,}" for what, n in sorted(changed.items())]
    if warning := few_test_pictures(row.split for row in rows):
        _LOGGER.warning(warning)
    lines.append(f"left out: {len(left_out.items):,}, each with its reason in {out / REPORT}")
    return "\n".join(lines)


class _Shard(NamedTuple):
    """What became of a shard's entries."""

    rows: list[Row]
    left_out: list[LeftOut]
    changed: dict[str, int]


@contextmanager
def _begun(plan, partial):
    """Makes the folder, or finds it as a run of the same plan left it; nobody else writes there."""
    described = [
        (e.name, e.split, str(e.path), e.captions, e.class_id, e.box, stamp(e.path))
        for e in plan.entries
    ]
    content = json.dumps([FORMAT, described, plan.vocabulary.words])
    fingerprint = hashlib.sha256(content.encode()).hexdigest()
    path = partial / _BEGUN
    if partial.exists() and not path.is_file() and any(partial.iterdir()):
        raise UserError(f"{partial} is there and was not begun by this program: move it away.")
    partial.mkdir(parents=True, exist_ok=True)
    with sole_use(partial):
        if not path.is_file() or path.read_text() != fingerprint:
            for old in partial.iterdir():
                old.unlink()
            path.write_text(fingerprint)
        _check_room(plan, partial)
        yield


def _check_room(plan, partial):
    free = shutil.disk_usage(partial).free
    missing = plan.picture_bytes - sum(p.stat().st_size for p in partial.glob("*.tfrecord"))
    if free < missing:
        raise UserError(
            f"{partial}: about {missing / 2**20:,.0f} MiB will be written, but the disk "
            f"has {free / 2**20:,.0f} MiB left. Free some space, or name another --out."
        )


def _shards(entries):
    """(name, entries) of each shard."""
    for split in ("train", "test"):
        chosen = [entry for entry in entries if entry.split == split]
        count = -(-len(chosen) // PICTURES_PER_SHARD)
        for i in range(count):
            part = chosen[i * PICTURES_PER_SHARD : (i + 1) * PICTURES_PER_SHARD]
            yield f"{split}-{i:05d}-of-{count:05d}.tfrecord", part


def _end_with_parent():
    """A worker whose parent was killed would wait without end."""

    def wait():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _look(entry: Entry) -> Picture | str:
    """The picture of an entry, or why there is none; runs in processes of its own."""
    try:
        picture = read_picture(entry.path)
        if entry.box:
            crop = square_crop(entry.box, picture.width, picture.height)
            if min(crop[2:]) < LEAST_SIDE:
                return f"its box {list(entry.box)} is too small"
            if TURNED in picture.changed:
                return "is turned by EXIF, so that it's not known where its box lies"
    except (ValueError, OverflowError) as error:
        return str(error)
    return picture


def _write_shard(partial, name, entries, pool, bar):
    import tensorflow as tf

    rows, left_out, changed, position = [], [], Counter(), 0
    writing = partial / f"{name}.writing"
    with tf.io.TFRecordWriter(str(writing)) as writer:
        for entry, picture in zip(entries, _looked(entries, pool), strict=True):
            bar.update()
            reason = picture if isinstance(picture, str) else _undecodable(picture.content)
            if reason:
                left_out.append(LeftOut(entry.name, reason))
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
    content = json.dumps([position, [r._asdict() for r in rows], *shard[1:]])
    _journal(partial, name).write_text(content)
    writing.rename(partial / name)
    return shard


def _looked(entries, pool):
    try:
        yield from pool.map(_look, entries, chunksize=8)
    except BrokenProcessPool as error:
        raise UserError(
            "A process that looks at pictures was killed, for want of memory as a rule. Try "
            "--processes 1; started again it goes on."
        ) from error


def _undecodable(content):
    """Why TensorFlow, which reads some files otherwise than Pillow, can't use a picture, or ""."""
    import tensorflow as tf

    try:
        tf.io.decode_image(content, 3, expand_animations=False)
    except tf.errors.InvalidArgumentError:
        return "can't be decoded by TensorFlow"
    return ""


def _journal(partial, name):
    return partial / f"{name}.json"


def _read_journal(partial, name):
    """What became of a shard that an earlier run has finished, or None."""
    journal = _journal(partial, name)
    try:
        size, rows, left_out, changed = json.loads(journal.read_text())
        if (partial / name).stat().st_size != size:
            return None
    except (OSError, ValueError):
        return None
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


def _describe(plan, partial, rows, left_out, changed):
    """Index, vocabulary, report and metadata."""
    plan.vocabulary.save(partial / VOCABULARY)
    lines = (json.dumps(row._asdict(), ensure_ascii=False) + "\n" for row in rows)
    (partial / INDEX).write_text("".join(lines), encoding="utf-8")
    report = {
        "left_out": [item._asdict() for item in left_out],
        "excluded": [item._asdict() for item in plan.excluded],
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
        # What is no UTF-8 in a name becomes the escape that JSON has for it.
        (partial / name).write_text(text, encoding="utf-8", errors="backslashreplace")
