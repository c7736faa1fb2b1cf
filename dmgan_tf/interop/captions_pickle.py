"""The vocabulary in the authors' `captions.pickle`."""

from operator import index
from pathlib import Path

import numpy as np

from dmgan_tf.data.vocabulary import Vocabulary
from dmgan_tf.errors import UserError
from dmgan_tf.interop.restricted_pickle import read_pickle

_MOST_WORDS = 2**24  # COCO has 7 million; a small file can name the same row again and again


def read_vocabulary(path: Path) -> Vocabulary:
    """The words of `[training captions, test captions, word of id, id of word]`, id for id.

    Raises: UserError: when the file can't be read or holds something else, the ids have gaps, or
        the two tables contradict each other.
    """
    content = read_pickle(path)
    if not isinstance(content, list | tuple) or [type(part) for part in content[2:]] != [dict] * 2:
        raise UserError(
            f"{path}: is no captions.pickle: that is a list of training captions, test captions, "
            "word of id and id of word."
        )
    word_of_id, id_of_word = content[2:]
    words = [word_of_id.get(i) for i in range(len(word_of_id))]
    contradictions = [
        i
        for i, word in enumerate(words)
        if not (isinstance(word, str) and isinstance(id_of_word.get(word), int | np.integer))
        or id_of_word[word] != i
    ]
    if contradictions or len(id_of_word) != len(words):
        where = f", first at id {contradictions[0]}" if contradictions else ""
        raise UserError(
            f"{path}: its {len(words)} words of ids and {len(id_of_word)} ids of words contradict "
            f"each other{where}."
        )
    try:
        return Vocabulary(words)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error


def read_captions(path: Path) -> tuple[list[list[int]], list[list[int]]]:
    """Ids of the training and of the test captions, in the file's order.

    Raises: UserError: when the file holds something else, or an id that is no word's.
    """
    content = read_pickle(path)
    if not isinstance(content, list | tuple) or [type(part) for part in content[2:]] != [dict] * 2:
        raise UserError(f"{path}: is no captions.pickle.")
    training, test, words, _ = content
    try:
        if not isinstance(training, list | tuple) or not isinstance(test, list | tuple):
            raise TypeError("a split is no list")
        rows = _rows(path, [*training, *test], len(words))
    except TypeError as error:
        raise UserError(f"{path}: its captions are no lists of ids.") from error
    return rows[: len(training)], rows[len(training) :]


def _rows(path, captions, words):
    rows: list[list[int]] = []
    total = 0
    for caption in captions:
        total += len(caption)
        if total > _MOST_WORDS:
            raise UserError(f"{path}: refused: its captions hold more than {_MOST_WORDS:,} words.")
        rows.append([index(word) for word in caption])
        if not all(0 <= word < words for word in rows[-1]):
            raise UserError(f"{path}: its captions hold ids beyond its {words} words.")
    return rows
