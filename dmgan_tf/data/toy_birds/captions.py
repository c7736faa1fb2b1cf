"""Ten English sentences about a bird, each knowing which colours and surroundings it names."""

from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter

import numpy as np

_COLOR_SLOTS = ("body", "wing", "belly", "crown")

# {body}, {wing}, {belly}, {crown}: a colour; {size}, {beak}, {tail}: an attribute of the species;
# {doing}, {place}: a wording of the pose and of the surroundings.
PATTERNS = (
    "this bird has a {crown} crown, {wing} wings and a {belly} belly",
    "a {size} {body} bird with {wing} wings, a {belly} breast and a {beak} beak",
    "a {body} bird with a {crown} crown and a {belly} belly {place}",
    "the {body} bird is {doing} and has {wing} wings and a {crown} crown",
    "this {size} bird is {body} with {wing} wings, a {belly} belly and a {crown} crown",
    "a {body} bird with {wing} wings {place}",
    "this is a {body} bird that has a {crown} crown, a {belly} breast and a {tail} tail",
    "the body of this bird is {body}, its wings are {wing} and its belly is {belly}",
    "{body} bird with {wing} wings, {belly} belly and {crown} crown",
    "a {size} bird {place} with {belly} belly, {wing} wings and {body} body",
    "a {body} bird {doing} {place}, with {crown} crown and {tail} tail",
    "a {crown} crowned bird with a {belly} belly and {wing} wings {place}",
    "this {body} bird has {wing} wings, a {beak} beak and a {crown} cap",
    "{place} there is a {body} bird with a {crown} crown and {wing} wings",
    "a {size} {body} bird with a {tail} tail, a {beak} beak and {wing} wings",
    "a bird {doing} with a {body} body, {wing} wings, a {belly} breast and a {crown} cap",
)
_DOING = {
    "upright": ("standing upright", "sitting tall", "looking up"),
    "level": ("standing still", "resting", "sitting quietly"),
    "pecking": ("bending down", "pecking", "looking for food"),
}
SURROUNDINGS_WORDINGS = {
    "sky": ("on a wire", "under the open sky", "in front of the sky"),
    "grass": ("in the grass", "in a meadow", "in a field"),
    "water": ("on a stone in the water", "by the water", "at the lake"),
    "snow": ("in the snow", "on the snowy ground", "on a winter day"),
    "branch": ("on a branch", "among the leaves", "in a tree"),
    "sand": ("on the sand", "on the beach", "on sandy ground"),
}
_SIZE = {
    "small": ("small", "little", "tiny"),
    "medium": ("medium sized", "medium"),
    "large": ("large", "big"),
}


@dataclass(frozen=True, slots=True)
class Caption:
    """A sentence and what it names.

    named: colours by part, e.g. {"body": "red", "wing": "blue"}.
    surroundings: a key of `SURROUNDINGS`, or None where the sentence names no surroundings.
    """

    text: str
    named: dict[str, str]
    surroundings: str | None = None


def write_captions(
    words: Mapping[str, str], count: int, rng: np.random.Generator
) -> tuple[Caption, ...]:
    """Word `count` different patterns for one bird.

    Args:
        words: body, wing, belly, crown, beak, tail, size, pose and surroundings of the bird.
        count: int, at most `len(PATTERNS)`.
        rng: decides on the patterns and the wording.
    """
    chosen = rng.choice(len(PATTERNS), count, replace=False)
    return tuple(_write(PATTERNS[i], words, rng) for i in chosen)


def _write(pattern: str, words: Mapping[str, str], rng: np.random.Generator) -> Caption:
    wording = {
        **words,
        "size": str(rng.choice(_SIZE[words["size"]])),
        "doing": str(rng.choice(_DOING[words["pose"]])),
        "place": str(rng.choice(SURROUNDINGS_WORDINGS[words["surroundings"]])),
    }
    slots = [slot for _, slot, _, _ in Formatter().parse(pattern) if slot]
    named = {slot: words[slot] for slot in slots if slot in _COLOR_SLOTS}
    surroundings = words["surroundings"] if "place" in slots else None
    return Caption(pattern.format(**wording), named, surroundings)
