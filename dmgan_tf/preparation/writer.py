"""Entries of a data source to a prepared folder: checked in parallel, whole or not at all.

The folder is written as NAME.partial, shard by shard, and renamed when it is whole. A shard stands
there under its name only when its lines of the index stand beside it, so that a run that was
stopped goes on after the last whole shard. Several machines write a share of the shards each
(`shares`), which are joined to the same bytes.
"""

import json
import logging
import shutil
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from dmgan_tf.data.index_columns import Row
from dmgan_tf.data.prepared import FORMAT, INDEX, METADATA, REPORT, VOCABULARY
from dmgan_tf.data.stored_arrays import store_arrays
from dmgan_tf.errors import UserError
from dmgan_tf.preparation import looking, shares
from dmgan_tf.preparation.entry import LeftOut
from dmgan_tf.preparation.plan import Plan, Report, few_test_pictures, forecast, stamp
from dmgan_tf.preparation.sole_use import sole_use

PICTURES_PER_SHARD = 512
_BEGUN = "plan.txt"
_LOGGER = logging.getLogger(__name__)
_FRAME_BYTES = 12  # of a record in a TFRecord file: its length and the length's checksum


def write(
    plan: Plan,
    out: Path,
    strict: bool = False,
    processes: int | None = None,
    merged: int = 0,
) -> str:
    """Writes the prepared folder; returns what was done, for people.

    Args: merged: join what so many shares have written, instead of looking at pictures.
    Raises: UserError: with `strict`, or when the disk has not the room, or no picture is left, or a
        share is missing or of another plan.
    """
    # A merge has a folder of its own, which no other run empties: the shares are moved there.
    partial = out.with_name(f"{out.name}.merge.partial" if merged else f"{out.name}.partial")
    shards = list(_shards(plan.entries))
    if merged:
        fingerprint = shares.signature(plan)
        shares.check(out, merged, fingerprint)
        _check_whole(out, merged, partial, shards)
    else:
        fingerprint = _fingerprint(plan)
    with _begun(fingerprint, partial, [] if merged else plan.entries):
        for folder in shares.folders(out, merged):
            for path in folder.glob("*.tfrecord*"):
                shutil.move(path, partial / path.name)
        done = _write_shards(plan, partial, shards, strict, processes)
        _finish(plan, partial, out, done)
    shares.remove(out, merged)
    store_arrays(out)
    lines = [f"{split}: {n:,} pictures" for split, n in _split_counts(done.rows)]
    lines += [f"{what}: {n:,}" for what, n in sorted(done.changed.items())]
    if warning := few_test_pictures(row.split for row in done.rows):
        _LOGGER.warning(warning)
    lines.append(f"left out: {len(done.left_out):,}, each with its reason in {out / REPORT}")
    return "\n".join(lines)


def write_share(
    plan: Plan,
    out: Path,
    share: tuple[int, int],
    strict: bool = False,
    processes: int | None = None,
) -> str:
    """Writes the K-th of N shares of the shards of `out` into a folder beside it.

    Raises: UserError: with `strict`, or when the disk has not the room.
    """
    number, count = share
    folder = shares.folder(out, number, count)
    partial = folder.with_name(f"{folder.name}.partial")
    shards = list(_shards(plan.entries))[number::count]
    entries = [entry for _, entries in shards for entry in entries]
    with _begun(_fingerprint(plan), partial, entries):
        done = _write_shards(plan, partial, shards, strict, processes)
        shares.sign(partial, plan)
        partial.rename(folder)
    return f"Share {number}/{count}: {len(done.rows):,} pictures. Join all with --merge {count}."


def _write_shards(plan, partial, shards, strict, count):
    """What became of all entries of these shards; those that are there stay."""
    left_out = Report(strict, plan.left_out)
    rows: list[Row] = []
    changed: Counter[str] = Counter()
    total = sum(len(entries) for _, entries in shards)
    with (
        looking.processes(count) as pool,
        tqdm(total=total, desc="pictures", unit="picture") as bar,
    ):
        for name, entries in shards:
            done = _read_journal(name, partial)
            if done:
                bar.update(len(entries))
            else:
                looked = looking.look_at(entries, plan.limits, pool)
                done = _write_shard(partial, name, entries, looked, bar)
            for refused in done.left_out:
                left_out.add(*refused)
            rows.extend(done.rows)
            changed.update(done.changed)
    return _Shard(rows, left_out.items, changed)


def _check_whole(out, count, partial, shards):
    """Raises UserError where a shard is not whole in its share, nor was taken by a run before."""
    for place, (name, _) in enumerate(shards):
        share = shares.folder(out, place % count, count)
        if not _read_journal(name, share, partial):
            raise UserError(
                f"{share}: is damaged: it lacks {name}. Remove it, and prepare it again with "
                f"--shard {place % count}/{count}."
            )


def _finish(plan, partial, out, done):
    if not any(row.split == "train" for row in done.rows):
        raise UserError(f"{plan.source}: no picture is left. The first: {done.left_out[0]}.")
    _describe(plan, partial, *done)
    for path in partial.glob("*.writing"):
        path.unlink()
    partial.rename(out)
    for path in (*out.glob("*.tfrecord.json"), out / _BEGUN):
        path.unlink()


def _split_counts(rows):
    return sorted(Counter(row.split for row in rows).items())


class _Shard(NamedTuple):
    """What became of a shard's entries, or of those of several."""

    rows: list[Row]
    left_out: list[LeftOut]
    changed: dict[str, int]


@contextmanager
def _begun(fingerprint, partial, entries):
    """Makes the folder, or finds it as a run of the same plan left it; nobody else writes there.

    Args: fingerprint: of the plan; what has another is removed. entries: that will be written.
    """
    path = partial / _BEGUN
    if partial.exists() and not path.is_file() and any(partial.iterdir()):
        raise UserError(f"{partial} is there and was not begun by this program: move it away.")
    partial.mkdir(parents=True, exist_ok=True)
    with sole_use(partial):
        if not path.is_file() or path.read_text() != fingerprint:
            for old in partial.iterdir():
                old.unlink()
            path.write_text(fingerprint)
        _check_room(entries, partial)
        yield


def _fingerprint(plan):
    return shares.fingerprint(plan, lambda path: (str(path), stamp(path)))


def _check_room(entries, partial):
    free = shutil.disk_usage(partial).free
    missing = forecast(entries) - sum(p.stat().st_size for p in partial.glob("*.tfrecord"))
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


def _write_shard(partial, name, entries, looked, bar):
    import tensorflow as tf

    rows, left_out, changed, position = [], [], Counter(), 0
    writing = partial / f"{name}.writing"
    with tf.io.TFRecordWriter(str(writing)) as writer:
        for entry, picture in zip(entries, looked, strict=True):
            bar.update()
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
    content = json.dumps([position, [r._asdict() for r in rows], *shard[1:]])
    _journal(partial, name).write_text(content)
    writing.rename(partial / name)
    return shard


def _journal(partial, name):
    return partial / f"{name}.json"


def _read_journal(name, *folders):
    """What became of a shard that an earlier run has finished, or None.

    Args: folders: its two files stand in the first of these that has them, each for itself.
    """

    def first(path):
        return next((folder / path for folder in folders if (folder / path).exists()), path)

    try:
        size, rows, left_out, changed = json.loads(first(_journal(Path(), name)).read_text())
        if first(Path(name)).stat().st_size != size:
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
    with (partial / INDEX).open("w", encoding="utf-8") as file:
        file.writelines(lines)
    report = {
        "left_out": [item._asdict() for item in left_out],
        "excluded": [item._asdict() for item in plan.excluded],
        "changed": dict(sorted(changed.items())),
    }
    metadata = {
        "format": FORMAT,
        "source": plan.source,
        "pictures": dict(_split_counts(rows)),
        "captions": sum(len(row.captions) for row in rows),
        "vocabulary_fingerprint": plan.vocabulary.fingerprint,
    }
    for name, content in ((REPORT, report), (METADATA, metadata)):
        text = json.dumps(content, indent=1, ensure_ascii=False)
        # What is no UTF-8 in a name becomes the escape that JSON has for it.
        (partial / name).write_text(text, encoding="utf-8", errors="backslashreplace")
