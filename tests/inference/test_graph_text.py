"""Tokens, ids and noise inside a graph: the same as outside, on any Unicode."""

import random
import re
import sys

import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.data.tokens import tokenize
from dmgan_tf.data.vocabulary import END, Vocabulary
from dmgan_tf.inference.graph_noise import seeded_noise_in_graph
from dmgan_tf.inference.graph_text import GraphVocabulary, tokenize_in_graph
from dmgan_tf.inference.noise import seeded_noise


@pytest.fixture(scope="module")
def graph_tokens():
    function = tf.function(tokenize_in_graph)

    def tokens(captions):
        return [[w.decode() for w in row] for row in function(tf.constant(captions)).to_list()]

    return tokens


def interesting_characters():
    """ASCII, everything whose case or kind is odd, and every 97th of the rest."""
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if 0xD800 <= code < 0xE000:
            continue
        odd = len(character.lower()) > 1 or (character.isnumeric() and not character.isalpha())
        if code < 0x500 or odd or code % 97 == 0:
            yield character


def test_every_kind_of_character_cuts_words_as_python_does(graph_tokens):
    captions = [f"A{c}b {c} Red" for c in interesting_characters()]
    assert graph_tokens(captions) == [tokenize(caption) for caption in captions]


def test_random_texts_give_pythons_tokens(graph_tokens):
    letters = "abXYZ_09  -,.éßſKİıǅ中٣²½\u0301\u200d\x00\x01\n\U0001f426ªµÅΣς"
    generator = random.Random(0)
    captions = ["".join(generator.choices(letters, k=30)) for _ in range(2000)]
    assert graph_tokens(captions) == [tokenize(caption) for caption in captions]


def test_only_two_characters_beyond_ascii_have_ascii_in_their_lower_case():
    found = {c for c in map(chr, range(128, sys.maxunicode + 1)) if re.search("[a-z]", c.lower())}
    assert found == {"\u212a", "\u0130"}


def test_bytes_that_are_no_utf_8_end_a_word(graph_tokens):
    assert graph_tokens([b"red\xff\xfebird \xc3"]) == [["red", "bird"]]


def test_unknown_words_are_dropped_and_long_captions_cut():
    vocabulary = Vocabulary([END, "a", "bird", "red"])
    captions = ["a RED zebra-bird", "", "zebra", "red red red red red"]
    ids, lengths = GraphVocabulary(vocabulary).encode(tf.constant(captions), 4)
    expected = vocabulary.pad([vocabulary.encode(caption)[0] for caption in captions], 4)
    np.testing.assert_array_equal(ids, expected[0])
    np.testing.assert_array_equal(lengths, expected[1])


def test_noise_in_the_graph_is_numpys():
    seeds = np.array([0, 1, -1, 2**63 - 1, -(2**63), 2**32, 2**31, 12345678901234], np.int64)
    found = tf.function(seeded_noise_in_graph)(tf.constant(seeds), 200)
    np.testing.assert_allclose(found, seeded_noise(seeds, 200), rtol=2e-7, atol=1e-12)
