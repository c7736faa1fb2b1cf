"""Captions to ids inside a TensorFlow graph: the tokens of `data.vocabulary.tokenize`, exactly.

Which characters are letters is asked of Python while the graph is built and written into it, so
that neither another Unicode release nor another regular-expression engine can change a token.
"""

import functools
import re
import sys

import tensorflow as tf

from dmgan_tf.data.vocabulary import Vocabulary

# The only characters beyond ASCII whose lower case holds ASCII: "K" → "k", "İ" → "i" and a
# combining dot, which is no letter and so ends the word.
_LOWER_TO_ASCII = {"\u212a": "k", "\u0130": "i "}


def tokenize_in_graph(captions: tf.Tensor) -> tf.RaggedTensor:
    """Words of each caption: string [B], UTF-8 → ragged string [B, words].

    Bytes that are no UTF-8 end a word.
    """
    text = tf.strings.unicode_transcode(captions, "UTF-8", "UTF-8", errors="replace")
    for character, lower in _LOWER_TO_ASCII.items():
        text = tf.strings.regex_replace(text, character, lower)
    text = tf.strings.lower(text)  # A to Z alone; what else is a letter stays one
    text = tf.strings.regex_replace(text, f"[{_letters_beyond_ascii()}]+", "")
    text = tf.strings.regex_replace(text, r"[^a-z0-9_]+", " ")
    return tf.strings.split(tf.strings.strip(text))


@functools.cache
@tf.autograph.experimental.do_not_convert
def _letters_beyond_ascii() -> str:
    """Every other character of which Python's lower case is all `\\w`, as ranges of a class."""
    ranges: list[list[int]] = []
    for code in range(0x80, sys.maxunicode + 1):
        if 0xD800 <= code < 0xE000 or chr(code) in _LOWER_TO_ASCII:
            continue
        if not re.fullmatch(r"\w+", chr(code).lower()):
            continue
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(rf"\x{{{first:x}}}-\x{{{last:x}}}" for first, last in ranges)


class GraphVocabulary(tf.Module):
    """A Vocabulary inside a graph."""

    def __init__(self, vocabulary: Vocabulary):
        super().__init__()
        words = vocabulary.words[1:]
        self._table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant(words), tf.range(1, len(words) + 1, dtype=tf.int32)
            ),
            default_value=0,
        )

    def encode(self, captions: tf.Tensor, max_words: int):
        """Ids of the known words, cut and padded: string [B] → int32 [B, max_words], int32 [B]."""
        ids = tf.ragged.map_flat_values(self._table.lookup, tokenize_in_graph(captions))
        known = tf.ragged.boolean_mask(ids, ids > 0)[:, :max_words]
        return known.to_tensor(shape=[None, max_words]), tf.cast(known.row_lengths(), tf.int32)
