"""Golden vectors: what any program that draws with an export must make of captions and seeds."""

from __future__ import annotations

from dmgan_tf.data.tokens import tokenize
from dmgan_tf.data.vocabulary import Vocabulary
from dmgan_tf.inference.noise import seeded_noise

_SEEDS = (0, 1, 17, -1, 2**31, 2**32, 12_345_678_901_234, 2**63 - 1, -(2**63))
_VALUES = 16


def golden(vocabulary: Vocabulary, max_words: int) -> dict:
    """Captions with their words and ids, and seeds with the first values of their noise.

    Seeds are text: as numbers of JSON many readers would round them.
    """
    noise = seeded_noise(_SEEDS, _VALUES)
    return {
        "tokens": [
            {
                "caption": caption,
                "words": tokenize(caption),
                "ids": vocabulary.encode(caption)[0][:max_words],
            }
            for caption in _captions(vocabulary.words[1:], max_words)
        ],
        "noise": [
            {"seed": str(seed), "values": row.tolist()}
            for seed, row in zip(_SEEDS, noise, strict=True)
        ],
    }


def _captions(words, max_words):
    """Captions of known and unknown words, with every kind of character that cuts words."""
    first, last = words[0], words[-1]
    return [
        " ".join(words[:6]),
        f"  {first.upper()}, {last}-{first};\t{last}!\n",
        f"{first} zeppelin_1 {last}s {last}",
        f"{first}é ß{last} über{first} \u00bd{last}\u00b2 \u6771\u4eac",
        f"{first}\u0301{last} {first}\u200d{last} {first}\u2019{last} {first}\U0001f426{last}",
        "\u212aelvin \u0130stanbul \u03a3\u03c2 \ufb01n \u0663\u0664 \u00aa\u00b5",
        " ".join([first, last] * max_words),
        "",
    ]
