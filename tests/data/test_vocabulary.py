"""The vocabulary: tokens, order, and the fingerprint that holds weights and words together."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest

from dmgan_tf.data.tokens import tokenize
from dmgan_tf.data.vocabulary import END, Vocabulary


@pytest.mark.parametrize(
    ("caption", "tokens"),
    [
        ("A Red bird.", ["a", "red", "bird"]),
        ("blue-grey, it's", ["blue", "grey", "it", "s"]),
        ("  two\tlines\nhere ", ["two", "lines", "here"]),
        ("3 toes_and 1/2", ["3", "toes_and", "1", "2"]),
        ("Größe ÉTÉ naïve red", ["gre", "t", "nave", "red"]),
        ("красная птица 鳥 red", ["red"]),
        ("red🐦bird", ["red", "bird"]),
        ("red\u200bbird \ud83d", ["red", "bird"]),
        ("ﬁne bird", ["ne", "bird"]),
        ("", []),
        (" …!", []),
    ],
)
def test_tokens_are_the_ascii_letters_of_lower_case_words(caption, tokens):
    assert tokenize(caption) == tokens


def test_words_stand_in_order_of_frequency_and_equals_in_that_of_the_alphabet():
    vocabulary = Vocabulary.from_captions(["Red bird red", "a bird", "RED blue"])
    assert vocabulary.words == (END, "red", "bird", "a", "blue")


def test_order_of_the_captions_does_not_matter():
    captions = ["a red bird", "the blue bird", "a bird"]
    words = Vocabulary.from_captions(captions).words
    assert Vocabulary.from_captions(reversed(captions)).words == words


def test_size_keeps_the_most_frequent_and_counts_the_end():
    assert Vocabulary.from_captions(["red red bird bird a"], size=3).words == (END, "bird", "red")


@pytest.mark.parametrize("words", [[], ["red"], ["red", END], [END, "red", "red"], [END, END]])
def test_words_must_be_distinct_and_begin_with_the_end(words):
    with pytest.raises(ValueError, match="`words` must be distinct and begin with '<end>'"):
        Vocabulary(words)


def test_fingerprint_changes_with_words_and_order():
    lists = (["a", "b"], ["b", "a"], ["a"], ["a", "b", "c"], ["ab"])
    fingerprints = {Vocabulary([END, *words]).fingerprint for words in lists}
    assert len(fingerprints) == len(lists)


def test_fingerprint_does_not_change_from_version_to_version():
    assert Vocabulary([END, "red", "bird"]).fingerprint == "fe27cc0840ac0fd0"


def test_known_words_become_ids_in_their_order_and_unknown_ones_are_named():
    vocabulary = Vocabulary([END, "a", "bird", "red"])
    assert vocabulary.encode("A red, RED zebra bird; ünder zoo") == (
        [1, 3, 3, 2],
        ["zebra", "nder", "zoo"],
    )


def test_caption_can_not_name_the_end():
    assert 0 not in Vocabulary([END, "end"]).encode("<end> end")[0]


def test_captions_are_padded_with_zeros_or_cut_at_the_end():
    ids, lengths = Vocabulary([END]).pad([[5], [1, 2, 3], [4, 5, 6, 7], []], 3)
    assert ids.tolist() == [[5, 0, 0], [1, 2, 3], [4, 5, 6], [0, 0, 0]]
    assert lengths.tolist() == [1, 3, 3, 0]
    assert (ids.dtype, lengths.dtype) == (np.int32, np.int32)


def test_saved_vocabulary_is_read_back(tmp_path):
    path = tmp_path / "vocabulary.json"
    vocabulary = Vocabulary([END, "red", "a_b", "9"])
    vocabulary.save(path)
    assert Vocabulary.load(path).words == vocabulary.words


def test_a_path_may_be_a_string(tmp_path):
    vocabulary = Vocabulary([END, "bird"])
    vocabulary.save(str(tmp_path / "words.json"))
    assert Vocabulary.load(str(tmp_path / "words.json")).words == vocabulary.words


def test_full_disk_leaves_the_old_file_whole(tmp_path, monkeypatch):
    path = tmp_path / "vocabulary.json"
    Vocabulary([END, "red"]).save(path)

    def write_half(file, text, **_):
        file.write_bytes(text.encode()[: len(text) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", write_half)
    with pytest.raises(OSError, match="No space left"):
        Vocabulary([END, "blue"]).save(path)
    assert Vocabulary.load(path).words == (END, "red")
    assert list(tmp_path.iterdir()) == [path]


def test_changed_file_is_refused_with_both_fingerprints(tmp_path):
    path = tmp_path / "vocabulary.json"
    vocabulary = Vocabulary([END, "red", "bird"])
    vocabulary.save(path)
    content = json.loads(path.read_text())
    content["words"] = [END, "bird", "red"]
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="the words were changed after they were saved") as caught:
        Vocabulary.load(path)
    for text in (str(path), vocabulary.fingerprint, Vocabulary([END, "bird", "red"]).fingerprint):
        assert text in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b'{"fingerprint": "0"}',
        b'{"words": 3}',
        b'{"words": ["<end>", 3]}',
        b'{"words": ["<end>", ["red"]]}',
        b'{"words": ["red"]}',
        b"\xff\xfe",
    ],
)
def test_file_without_a_vocabulary_is_refused_by_name(tmp_path, content):
    path = tmp_path / "vocabulary.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="holds no vocabulary") as caught:
        Vocabulary.load(path)
    assert str(caught.value).startswith(f"{path}: ")
