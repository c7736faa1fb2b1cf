"""The word ids of all captions, one after another, as training looks them up."""

import contextlib
from array import array
from typing import NamedTuple

import numpy as np

from dmgan_tf.data.picture_set import PictureSet
from dmgan_tf.data.vocabulary import Vocabulary
from dmgan_tf.errors import UserError
from dmgan_tf.whole_file import whole_file


class EncodedCaptions(NamedTuple):
    """The captions of N pictures, C in all, of W words in all.

    ids: int32 [W]. ends: int64 [C + 1], where a caption's ids end and the next one's begin, from 0
    on. firsts: int64 [N + 1], likewise of a picture's captions.
    """

    ids: np.ndarray
    ends: np.ndarray
    firsts: np.ndarray


def encode_all(pictures: PictureSet, vocabulary: Vocabulary, keep: bool = True) -> EncodedCaptions:
    """The words of all captions.

    Args: keep: write them beside a large prepared folder's columns, from where they are read again.
    Raises: UserError: when a caption has no known word.
    """
    stored = pictures.records.stored if pictures.records else None
    if stored is None:
        return _encode(pictures, vocabulary)
    paths = [
        stored.with_name(f"{stored.name}.words-{vocabulary.fingerprint}.{name}.npy")
        for name in EncodedCaptions._fields
    ]
    with contextlib.suppress(OSError, EOFError, ValueError, IndexError):
        found = EncodedCaptions(*(np.load(path, mmap_mode="r") for path in paths))
        if found.ends[-1] == len(found.ids) and len(found.firsts) == len(pictures) + 1:
            return found
    encoded = _encode(pictures, vocabulary)
    if not keep:
        return encoded
    with contextlib.suppress(UserError, OSError):  # nothing can be written there
        for path, values in zip(paths, encoded, strict=True):
            with whole_file(path) as partial, partial.open("wb") as file:
                np.save(file, values)
    return encoded


def _encode(pictures, vocabulary):
    ids, ends, firsts = array("i"), array("q", [0]), array("q", [0])
    for i, row in enumerate(pictures.captions):
        for caption in row:
            words = vocabulary.encode(caption)[0]
            if not words:
                where = pictures.records.names[i] if pictures.records else f"picture {i}"
                raise UserError(f"{where}: the caption {caption!r} has no known word.")
            ids.extend(words)
            ends.append(len(ids))
        firsts.append(len(ends) - 1)
    return EncodedCaptions(np.array(ids, np.int32), np.array(ends), np.array(firsts))
