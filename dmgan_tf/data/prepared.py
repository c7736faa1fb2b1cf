"""A prepared folder, as `prepare_data` writes it and training reads it.

    metadata.json                   format, source, counts, fingerprint of the vocabulary
    vocabulary.json                 words and their fingerprint
    index.jsonl                     a line a picture: split, class, box, captions, place of bytes
    SPLIT-00000-of-00009.tfrecord   tf.train.Example: `name`, `image` (JPEG or PNG), `captions`
    report.json                     what was left out and why, and what was changed
    index.columns/                  of a large folder: the index as arrays; made again when lost

The index says where in a shard a picture's bytes stand, so that any picture is read at once, in any
order, without its neighbours.
"""

import json
from pathlib import Path

import numpy as np

from dmgan_tf.data.index_columns import read_columns
from dmgan_tf.data.picture_set import PictureSet, Records
from dmgan_tf.data.remote_data import RemoteData
from dmgan_tf.data.vocabulary import Vocabulary
from dmgan_tf.errors import UserError
from dmgan_tf.remote.store import is_remote, url_of

FORMAT = 1
METADATA, VOCABULARY, INDEX, REPORT = (
    "metadata.json",
    "vocabulary.json",
    "index.jsonl",
    "report.json",
)


def load_prepared(directory: str | Path, split: str, homepage: str | None = None) -> PictureSet:
    """The pictures of a split; they stay on disk.

    Args: directory: local, or a URL such as `s3://bucket/cub`. split: `train` or `test`.
        homepage: where to get the data, for the message when they are missing.
    Raises: UserError: when the folder is missing, damaged or of another format, or lacks the split.
    """
    folder, remote = _local(directory)
    _metadata(folder, homepage)
    path = folder / INDEX
    try:
        columns = read_columns(path).get(split)
    except (OSError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise UserError(f"{path}: is damaged: {error}. Prepare the data again.") from error
    if columns is None:
        raise UserError(f"{url_of(directory)}: holds no picture of the {split} split.")
    _check_shards(folder, columns, remote.sizes if remote else None)
    return PictureSet(
        captions=columns.captions,
        class_ids=columns.class_ids,
        records=Records(
            names=columns.names,
            files=tuple(str(folder / shard) for shard in columns.shards),
            file_of=columns.file_of,
            offsets=columns.offsets,
            sizes=columns.sizes,
            crops=columns.crops,
            stored=columns.stored,
            remote=remote,
        ),
    )


def _local(directory):
    """The local folder of a prepared one, and what fetches the shards of a remote one."""
    if not is_remote(directory):
        return Path(directory), None
    remote = RemoteData(directory, (METADATA, VOCABULARY, INDEX))
    return remote.folder, remote


def _check_shards(directory, columns, sizes):
    """Raises UserError where a shard is missing, or shorter than the index says.

    Args: sizes: of the shards of a remote folder, by their names; None: they are here.
    """
    lengths = np.zeros(len(columns.shards), np.int64)
    for i, shard in enumerate(columns.shards):
        file = directory / shard
        there = file.is_file() if sizes is None else shard in sizes
        if Path(shard).name != shard or not there:
            raise UserError(f"{directory}: the shard {shard} is missing. Prepare the data again.")
        lengths[i] = file.stat().st_size if sizes is None else sizes[shard]
    behind = columns.offsets + columns.sizes > lengths[columns.file_of]
    if len(short := np.flatnonzero(behind | (columns.offsets < 0))):
        shard = columns.shards[columns.file_of[short[0]]]
        raise UserError(f"{directory / shard}: is cut short. Prepare the data again.")


def load_prepared_vocabulary(directory: str | Path) -> Vocabulary:
    """The words of a prepared folder.

    Raises: UserError: when they are missing, damaged or those of another folder.
    """
    folder, _ = _local(directory)
    path = folder / VOCABULARY
    metadata = _metadata(folder, None)
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
