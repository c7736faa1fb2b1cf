"""The vocabulary of `captions.pickle`, id for id."""

import pickle

import numpy as np
import pytest

from dmgan_tf.errors import UserError
from dmgan_tf.interop.captions_pickle import read_captions, read_vocabulary

WORDS = ("<end>", "red", "bird", "a")
WORD_OF_ID = dict(enumerate(WORDS))
ID_OF_WORD = {word: i for i, word in enumerate(WORDS)}


@pytest.fixture
def read(tmp_path):
    """Function of what a file holds: the vocabulary in it."""

    def read_content(content, protocol=2):
        path = tmp_path / "captions.pickle"
        path.write_bytes(pickle.dumps(content, protocol))
        return read_vocabulary(path)

    return read_content


@pytest.fixture
def captions(tmp_path):
    """Function of the training and the test captions of a file: what is read of it."""

    def read_content(training, test):
        path = tmp_path / "captions.pickle"
        path.write_bytes(pickle.dumps([training, test, WORD_OF_ID, ID_OF_WORD], 2))
        return read_captions(path)

    return read_content


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_words_keep_their_ids(read, protocol):
    content = [[[3, 1, 2]], [[2]], WORD_OF_ID, ID_OF_WORD]
    assert read(content, protocol).words == WORDS


def test_order_in_the_file_and_numbers_of_numpy_make_no_difference(read):
    word_of_id = {np.int64(i): WORDS[i] for i in (2, 0, 3, 1)}
    id_of_word = {WORDS[i]: np.int64(i) for i in (3, 1, 0, 2)}
    assert read([[], [], word_of_id, id_of_word]).words == WORDS


@pytest.mark.parametrize(
    "content",
    [
        None,
        {},
        "captions",
        [],
        [[], []],
        [[], [], WORD_OF_ID],
        [[], [], WORD_OF_ID, ID_OF_WORD, {}],
        [WORD_OF_ID, ID_OF_WORD, [], []],
        ["002.Laysan_Albatross/Laysan_Albatross_0002_1027"] * 5,
    ],
)
def test_other_list_is_refused(read, content):
    with pytest.raises(UserError, match=r"captions\.pickle: is no captions\.pickle"):
        read(content)


@pytest.mark.parametrize(
    ("word_of_id", "id_of_word"),
    [
        (WORD_OF_ID, ID_OF_WORD | {"bird": 3}),
        (WORD_OF_ID, {w: i for w, i in ID_OF_WORD.items() if w != "bird"}),
        (WORD_OF_ID, ID_OF_WORD | {"more": 4}),
        ({0: "<end>", 1: "red", 3: "bird"}, {"<end>": 0, "red": 1, "bird": 3}),
        (WORD_OF_ID | {3: "red"}, ID_OF_WORD),
    ],
)
def test_tables_that_contradict_each_other_are_refused(read, word_of_id, id_of_word):
    with pytest.raises(UserError, match="contradict each other"):
        read([[], [], word_of_id, id_of_word])


def test_other_end_is_refused(read):
    with pytest.raises(UserError, match="begin with '<end>'"):
        read([[], [], {0: "a", 1: "<end>"}, {"a": 0, "<end>": 1}])


@pytest.mark.parametrize("word", [7, None, b"red", ["red"]])
def test_words_that_are_no_text_are_refused(read, word):
    ids = {"<end>": 0, "red": 1} if isinstance(word, list) else {"<end>": 0, word: 1}
    with pytest.raises(UserError, match="contradict each other, first at id 1"):
        read([[], [], {0: "<end>", 1: word}, ids])


# --- captions -----------------------------------------------------------------------------------


def test_captions_come_split_by_split(captions):
    rows = [[3, 1, 2], np.array([2, 1])], ((0,), [])
    assert captions(*rows) == ([[3, 1, 2], [2, 1]], [[0], []])


@pytest.mark.parametrize("rows", [[[4]], [[1], [-1]], [np.array([9])]])
def test_ids_that_are_no_words_are_refused(captions, rows):
    with pytest.raises(UserError, match="ids beyond its 4 words"):
        captions([], rows)


@pytest.mark.parametrize("rows", [None, 3, "12", [3], [["1"]], [[1.0]], [[None]], np.zeros((3, 0))])
def test_captions_of_something_else_are_refused(captions, rows):
    with pytest.raises(UserError, match="its captions are no lists of ids"):
        captions([], rows)


def test_row_that_is_named_again_and_again_is_refused_before_it_fills_the_memory(captions):
    row = [1] * 100_000
    with pytest.raises(UserError, match=r"refused: its captions hold more than 16,777,216 words"):
        captions([row] * 100_000, [])
