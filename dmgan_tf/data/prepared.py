"""A prepared folder, as `prepare_data` writes it and training reads it.

    metadata.json                   format, source, counts, fingerprint of the vocabulary
    vocabulary.json                 words and their fingerprint
    index.jsonl                     a line a picture: split, class, box, captions, place of bytes
    SPLIT-00000-of-00009.tfrecord   tf.train.Example: `name`, `image` (JPEG or PNG), `captions`
    report.json                     what was left out and why, and what was changed

The index says where in a shard a picture's bytes stand, so that any picture is read at once, in any
order, without its neighbours.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dmgan_tf.data.picture_set import PictureSet, Records
from dmgan_tf.data.square_crop import square_crop
from dmgan_tf.data.vocabulary import Vocabulary
from dmgan_tf.errors import UserError

FORMAT = 1
METADATA, VOCABULARY, INDEX, REPORT = (
    "metadata.json",
    "vocabulary.json",
    "index.jsonl",
    "report.json",
)


class Row(NamedTuple):
    """A line of the index; `offset` and `size` are bytes within the shard."""

    name: str
    split: str
    class_id: int | None
    box: list[float] | None
    captions: list[str]
    width: int
    height: int
    shard: str
    offset: int
    size: int


def load_prepared(directory: str | Path, split: str, homepage: str | None = None) -> PictureSet:
    """The pictures of a split; they stay on disk.

    Args: split: `train` or `test`. homepage: where to get the data, for the message when they are
        missing.
    Raises: UserError: when the folder is missing, damaged or of another format, or lacks the split.
    """
    directory = Path(directory)
    _metadata(directory, homepage)
    path = directory / INDEX
    try:
        # Not splitlines: a caption may hold other line ends.
        lines = path.read_text(encoding="utf-8").split("\n")
        every = (Row(**json.loads(line)) for line in lines if line)
        rows = [row for row in every if row.split == split]
        crops = [square_crop(r.box, r.width, r.height) if r.box else (0, 0, 0, 0) for r in rows]
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path}: is damaged: {error}. Prepare the data again.") from error
    if not rows:
        raise UserError(f"{directory}: holds no picture of the {split} split.")
    shards = sorted({row.shard for row in rows})
    sizes = {}
    for shard in shards:
        file = directory / shard
        if Path(shard).name != shard or not file.is_file():
            raise UserError(f"{directory}: the shard {shard} is missing. Prepare the data again.")
        sizes[shard] = file.stat().st_size
    if short := next((r for r in rows if r.offset + r.size > sizes[r.shard] or r.offset < 0), None):
        raise UserError(f"{directory / short.shard}: is cut short. Prepare the data again.")
    return PictureSet(
        captions=tuple(tuple(row.captions) for row in rows),
        class_ids=np.array(
            [-1 - i if r.class_id is None else r.class_id for i, r in enumerate(rows)], np.int32
        ),
        records=Records(
            names=tuple(row.name for row in rows),
            files=tuple(str(directory / shard) for shard in shards),
            file_of=np.array([shards.index(row.shard) for row in rows], np.int32),
            offsets=np.array([row.offset for row in rows], np.int64),
            sizes=np.array([row.size for row in rows], np.int64),
            crops=np.array(crops, np.int32),
        ),
    )


def load_prepared_vocabulary(directory: str | Path) -> Vocabulary:
    """The words of a prepared folder.

    Raises: UserError: when they are missing, damaged or those of another folder.
    """
    path = Path(directory) / VOCABULARY
    metadata = _metadata(Path(directory), None)
    try:
        vocabulary = Vocabulary.load(path)
        if vocabulary.fingerprint != metadata.get("vocabulary_fingerprint"):
            raise UserError(f"{path}: is of another data set. Prepare the data again.")
        return vocabulary
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise UserError(str(error)) from error


def _metadata(directory, homepage):
    path = directory / METADATA
    if not path.is_file():
        source = f" Get the data from {homepage}, then" if homepage else " To make it,"
        raise UserError(
            f"{directory}: is no prepared folder: it has no {METADATA}.{source} run "
            "`dmgan prepare-data`."
        )
    try:
        metadata = json.loads(path.read_text(encoding="utf-8"))
        found = metadata["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: is damaged: {error!r}. Prepare the data again.") from error
    if found != FORMAT:
        raise UserError(f"{path}: format {found} is not {FORMAT}, the one this version reads.")
    return metadata
