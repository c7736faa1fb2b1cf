"""Captions to words; nothing but the standard library, for `dmgan ask`."""

import re


def tokenize(caption: str) -> list[str]:
    """Lower-case runs of letters, digits and underscore, less what isn't ASCII: "café" → "caf".

    As the authors' code cuts them, so that the words are those of their `captions.pickle`.
    """
    words = re.findall(r"\w+", caption.lower())
    return [ascii for word in words if (ascii := word.encode("ascii", "ignore").decode())]
