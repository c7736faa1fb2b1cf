"""Two hundred invented bird species and the pictures to be drawn of them.

A species is a combination of four plumage colours, a beak, a tail and a size. Colours are laid
out so that every colour occurs equally often in every slot: 25 offset triples (wing, belly and
crown relative to the body) are each applied to all eight body colours.
"""

from dataclasses import asdict, dataclass
from functools import cache

import numpy as np

from dmgan_tf.data.toy_birds.captions import Caption, write_captions

PARTS = ("body", "wing", "belly", "crown")
COLORS: dict[str, tuple[int, int, int]] = {
    "red": (212, 36, 40),
    "yellow": (250, 214, 40),
    "green": (38, 142, 58),
    "blue": (36, 84, 204),
    "pink": (246, 132, 186),
    "brown": (122, 74, 36),
    "white": (247, 247, 244),
    "black": (30, 30, 36),
}
BEAKS = ("short", "long", "hooked")
TAILS = ("short", "long", "forked")
SIZES = ("small", "medium", "large")
POSES = ("upright", "level", "pecking")
SURROUNDINGS = ("sky", "grass", "water", "snow", "branch", "sand")

NUM_SPECIES = 200
SPLITS = {"train": range(150), "test": range(150, NUM_SPECIES)}
CAPTIONS_PER_BIRD = 10
_SPECIES_SEED = 1904_01310


@dataclass(frozen=True, slots=True, kw_only=True)
class Species:
    """What all pictures of one species share; the colours are keys of `COLORS`."""

    body: str
    wing: str
    belly: str
    crown: str
    beak: str
    tail: str
    size: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bird:
    """The truth about one picture: everything `draw` needs, and its captions.

    shift: offset of the bird from the centre, in sides of the frame.
    scale: factor on the size of the species.
    tints: per part of `PARTS`, a turn of the hue (1 = the whole colour wheel) and a change of
        lightness (1 = from black to white).
    scene_seed: seed of the texture of the surroundings.
    """

    class_id: int
    species: Species
    pose: str
    surroundings: str
    shift: tuple[float, float]
    scale: float
    tints: tuple[tuple[float, float], ...]
    scene_seed: int
    captions: tuple[Caption, ...]


@cache
def all_species() -> tuple[Species, ...]:
    """Return the 200 species; the index of a species is its class id."""
    rng = np.random.default_rng(_SPECIES_SEED)
    colors = list(COLORS)
    n = len(colors)
    # The wing's offset is never 0: a wing of the body's colour could not be seen.
    triples = [(w, b, c) for w in range(1, n) for b in range(n) for c in range(n)]
    chosen = rng.choice(len(triples), NUM_SPECIES // n, replace=False)
    plumages = [
        (colors[body], *(colors[(body + offset) % n] for offset in triples[i]))
        for i in chosen
        for body in range(n)
    ]
    order = rng.permutation(NUM_SPECIES)
    beaks, tails, sizes = (rng.permutation(NUM_SPECIES) % 3 for _ in range(3))
    return tuple(
        Species(
            **dict(zip(PARTS, plumages[i], strict=True)),
            beak=BEAKS[beaks[i]],
            tail=TAILS[tails[i]],
            size=SIZES[sizes[i]],
        )
        for i in order
    )


def birds(split: str, images_per_class: int, seed: int) -> list[Bird]:
    """Invent `images_per_class` pictures of each species of a split, ordered by species.

    Picture k of a species depends on `seed`, the species and k only.

    Args:
        split: "train" (species 0-149) or "test" (150-199, unseen colour combinations).
        images_per_class: int >= 1.
        seed: int >= 0.
    Raises: ValueError: when an argument is out of its range.
    """
    if split not in SPLITS:
        raise ValueError(f"`split` must be 'train' or 'test'. Received: split={split!r}.")
    if images_per_class < 1:
        raise ValueError(
            f"`images_per_class` must be at least 1. Received: images_per_class={images_per_class}."
        )
    if seed < 0:
        raise ValueError(f"`seed` must not be negative. Received: seed={seed}.")
    return [_bird(class_id, k, seed) for class_id in SPLITS[split] for k in range(images_per_class)]


def _bird(class_id: int, k: int, seed: int) -> Bird:
    rng = np.random.default_rng([seed, class_id, k])
    species = all_species()[class_id]
    pose = POSES[rng.integers(len(POSES))]
    surroundings = SURROUNDINGS[rng.integers(len(SURROUNDINGS))]
    words = asdict(species) | {"pose": pose, "surroundings": surroundings}
    return Bird(
        class_id=class_id,
        species=species,
        pose=pose,
        surroundings=surroundings,
        shift=(rng.uniform(-0.03, 0.03), rng.uniform(-0.03, 0.03)),
        scale=rng.uniform(0.95, 1.05),
        tints=tuple((rng.uniform(-0.015, 0.015), rng.uniform(-0.04, 0.04)) for _ in PARTS),
        scene_seed=int(rng.integers(2**31)),
        captions=write_captions(words, CAPTIONS_PER_BIRD, rng),
    )
