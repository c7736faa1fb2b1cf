"""Words to ids and back, with a fingerprint that ties weights to the words they were trained on."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from dmgan_tf.data.tokens import tokenize
from dmgan_tf.whole_file import write_text

END = "<end>"


class Vocabulary:
    """An ordered list of words; a word's id is its place, id 0 is the end of a caption and padding.

    Args: words: strings, distinct, the first one `<end>`.
    Raises: ValueError: when they are not.
    """

    def __init__(self, words: Iterable[str]):
        self.words = tuple(words)
        self._ids = {word: i for i, word in enumerate(self.words)}
        if not self.words or self.words[0] != END or len(self._ids) != len(self.words):
            raise ValueError(f"`words` must be distinct and begin with {END!r}.")

    def __len__(self):
        return len(self.words)

    @classmethod
    def from_captions(cls, captions: Iterable[str], size: int | None = None) -> "Vocabulary":
        """The words of the captions, the most frequent first, equals in alphabetical order.

        Args: size: entries at most, the end included; None: all.
        """
        counts = Counter(word for caption in captions for word in tokenize(caption))
        return cls([END, *sorted(counts, key=lambda word: (-counts[word], word))][:size])

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the words in their order, 16 hexadecimal digits."""
        return hashlib.sha256("\n".join(self.words).encode()).hexdigest()[:16]

    def encode(self, caption: str) -> tuple[list[int], list[str]]:
        """Ids of the known words in their order, and the unknown words."""
        words = tokenize(caption)
        known = [self._ids[word] for word in words if word in self._ids]
        return known, [word for word in words if word not in self._ids]

    @staticmethod
    def pad(ids: Sequence[list[int]], max_words: int) -> tuple[np.ndarray, np.ndarray]:
        """Ids int32 [B, max_words] and lengths int32 [B]; longer captions are cut at the end."""
        padded = np.zeros((len(ids), max_words), np.int32)
        lengths = np.array([min(len(row), max_words) for row in ids], np.int32)
        for row, length, target in zip(ids, lengths, padded, strict=True):
            target[:length] = row[:length]
        return padded, lengths

    def save(self, path: str | Path) -> None:
        """Writes the words and their fingerprint.

        Raises: UserError: when it can't be written there.
        """
        content = {"fingerprint": self.fingerprint, "words": self.words}
        write_text(Path(path), json.dumps(content, ensure_ascii=False, indent=0))

    @classmethod
    def load(cls, path: str | Path) -> "Vocabulary":
        """Reads what `save` wrote.

        Raises: ValueError: when the file holds no vocabulary or its fingerprint is not its own.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            vocabulary = cls(content["words"])
            fingerprint = vocabulary.fingerprint
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: holds no vocabulary: {error}.") from error
        if content.get("fingerprint") != fingerprint:
            raise ValueError(
                f"{path}: the words were changed after they were saved (fingerprint "
                f"{content.get('fingerprint')}, words give {fingerprint})."
            )
        return vocabulary
