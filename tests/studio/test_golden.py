"""Tokens and noise of the page's JavaScript are those of Python: the golden vectors, and beyond."""

import json
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from dmgan_tf.data.vocabulary import END, Vocabulary, tokenize
from dmgan_tf.export.golden import golden
from dmgan_tf.inference.noise import seeded_noise

pytestmark = pytest.mark.skipif(not shutil.which("node"), reason="Node.js isn't installed.")

VOCABULARY = Vocabulary([END, "a", "red", "bird", "blue", "k", "i", "snow"])
MOST_WORDS = 5
ONE_DIGIT = 1.2e-7  # of float32: `log` and `cos` may differ in the last


def answers(captions=(), seeds=(), size=1, begun=(), steps=()):
    """What answers.mjs prints."""
    asked = {"words": VOCABULARY.words, "max_words": MOST_WORDS, "size": size}
    asked |= {"captions": list(captions), "seeds": [str(seed) for seed in seeds]}
    asked |= {"begun": list(begun), "steps": list(steps)}
    process = subprocess.run(
        ["node", Path(__file__).with_name("answers.mjs")],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


def test_golden_vectors():
    expected = golden(VOCABULARY, MOST_WORDS)
    captions = [row["caption"] for row in expected["tokens"]]
    seeds = [row["seed"] for row in expected["noise"]]
    found = answers(captions, seeds, len(expected["noise"][0]["values"]))
    assert found["words"] == [row["words"] for row in expected["tokens"]]
    assert found["ids"] == [row["ids"] for row in expected["tokens"]]
    assert max(map(len, found["ids"])) == MOST_WORDS and min(map(len, found["ids"])) == 0
    noise = [row["values"] for row in expected["noise"]]
    np.testing.assert_allclose(np.float32(found["noise"]), noise, rtol=ONE_DIGIT, atol=0)


def characters():
    """All up to U+2FFF and every eleventh of the rest, which are alike by the thousand."""
    for code in range(sys.maxunicode + 1):
        # Characters that Python's Unicode doesn't know yet may be letters of a newer one.
        known = unicodedata.category(chr(code)) not in ("Cn", "Cs")
        if known and (code < 0x3000 or code % 11 == 0):
            yield chr(code)


def test_every_kind_of_character_cuts_words_as_python_does():
    parts = [f"A{character}b {character} Red;" for character in characters()]
    captions = ["".join(parts[start : start + 100]) for start in range(0, len(parts), 100)]
    for caption, words in zip(captions, answers(captions)["words"], strict=True):
        assert words == tokenize(caption)


@pytest.mark.parametrize(
    ("beginning", "offers"),
    [
        ("", ["a", "red", "bird"]),
        ("bl", ["blue", "bird"]),
        ("bird", ["blue"]),
        ("lue", ["blue", "a", "red"]),
        ("nird", ["bird", "a", "red"]),
        ("zeppelin", ["a", "red", "bird"]),
    ],
    ids=["nothing", "a first letter", "a known word", "no first letter", "misspelt", "unlike all"],
)
def test_there_are_always_words_to_offer(beginning, offers):
    assert answers(begun=[beginning])["offers"] == [offers]


def test_noise_of_many_seeds_is_numpys_to_the_last_digit():
    seeds = [*range(-500, 500), *(k << 32 for k in range(1, 50)), 2**63 - 1, -(2**63)]
    found = np.float32(answers(seeds=seeds, size=200)["noise"])
    expected = seeded_noise(seeds, 200)
    np.testing.assert_allclose(found, expected, rtol=ONE_DIGIT, atol=0)
    assert np.mean(found == expected) > 0.99


@pytest.mark.parametrize("seed", ["", "1.5", "1e3", "zeppelin", 2**63, -(2**63) - 1, "0x10"])
def test_seed_that_is_no_whole_number_of_64_bits_is_refused(seed):
    with pytest.raises(AssertionError, match="The seed must be a whole number from -9223372036854"):
        answers(seeds=[seed])


def test_the_next_seed_is_exact_and_stays_within_64_bits():
    steps = [("4611686018427387905", 1), ("-4611686018427387905", -1), ("", 1), ("7", -1)]
    expected = ["4611686018427387906", "-4611686018427387906", "1", "6"]
    ends = [(str(2**63 - 1), 1), (str(-(2**63)), -1), ("1.5", 1)]
    assert answers(steps=steps + ends)["stepped"] == expected + [text for text, _ in ends]
