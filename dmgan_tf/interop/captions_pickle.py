"""The vocabulary in the authors' `captions.pickle`."""

from pathlib import Path

import numpy as np

from dmgan_tf.data.vocabulary import Vocabulary
from dmgan_tf.errors import UserError
from dmgan_tf.interop.restricted_pickle import read_pickle


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
    parts = content if isinstance(content, list | tuple) and len(content) == 4 else ()
    words = len(parts[2]) if parts else 0
    splits = []
    for part in parts[:2]:
        try:
            rows = [[int(word) for word in row] for row in part]
        except (TypeError, ValueError) as error:
            raise UserError(f"{path}: its captions are no lists of ids.") from error
        if any(not 0 <= word < words for row in rows for word in row):
            raise UserError(f"{path}: its captions hold ids beyond its {words} words.")
        splits.append(rows)
    if not splits:
        raise UserError(f"{path}: is no captions.pickle.")
    return splits[0], splits[1]
