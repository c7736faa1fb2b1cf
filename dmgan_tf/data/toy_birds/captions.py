"""Ten English sentences about a bird, each knowing which colours it names."""

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
    "the bird is {doing} and has {wing} wings, a {belly} chest and a {crown} cap",
    "this {size} bird is {body} with {wing} wings, {belly} belly and {crown} crown",
    "a bird with a {body} body, {wing} wings and a {beak} bill",
    "this is a {body} bird that has a {crown} crown, {belly} chest and a {tail} tail",
    "the body of this bird is {body}, its wings are {wing} and its belly is {belly}",
    "{body} bird with {wing} wings, {belly} belly and {crown} crown",
    "a {size} bird {place} with {belly} breast, {wing} wings and {body} back",
    "its crown is {crown}, its belly is {belly} and it has a {beak} pointed beak",
    "the {wing} wings of this bird stand out against its {body} body and {belly} belly",
    "a {body} and {wing} bird, {doing} {place}, with a {tail} tail",
    "this bird wears a {crown} cap, {wing} feathers on the wings and a {body} coat",
    "a {crown} crowned bird with a {belly} belly and {wing} wings {place}",
    "this {body} bird has {wing} wings, a {beak} beak and a {crown} crown",
    "a {size} bird with {wing} wing feathers and a {belly} underside, {doing}",
    "the bird has a {body} neck and back, a {crown} crown and a {tail} tail",
    "here is a {body} bird whose wings are {wing}, belly {belly} and crown {crown}",
    "it is a {size} bird with a {body} body, {belly} underparts and a {crown} crown",
    "{place} there is a {body} bird with a {crown} cap and {wing} wings",
    "this bird is mostly {body}, with a {belly} belly, {wing} wings and a {tail} tail",
    "a lovely {body} bird with {wing} wings and a {belly} chest, {doing}",
    "a {size} bird with a {crown} head top and {wing} wings over a {belly} belly",
    "a {body} colored bird with {crown} feathers on its head and a {belly} belly",
    "with its {tail} tail and {beak} beak, this {body} bird shows {wing} wings",
    "a {body} bird with {wing} wings",
    "{crown} crown, {belly} belly, {wing} wings and a {beak} beak",
)
_DOING = {
    "upright": ("standing upright", "sitting tall", "looking up"),
    "level": ("standing still", "resting", "sitting quietly"),
    "pecking": ("bending down", "pecking", "looking for food"),
}
_PLACE = {
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
    """A sentence and the colours it names, e.g. {"body": "red", "wing": "blue"}."""

    text: str
    named: dict[str, str]


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
        "place": str(rng.choice(_PLACE[words["surroundings"]])),
    }
    slots = [slot for _, slot, _, _ in Formatter().parse(pattern) if slot]
    named = {slot: words[slot] for slot in slots if slot in _COLOR_SLOTS}
    return Caption(pattern.format(**wording), named)
