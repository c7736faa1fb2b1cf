"""A small data set drawn by the project itself, shaped like CUB-200: 200 birds with captions."""

from dmgan_tf.data.toy_birds.captions import Caption
from dmgan_tf.data.toy_birds.color_judge import ColorJudgement, judge_colors, named_share
from dmgan_tf.data.toy_birds.drawing import draw, draw_all, draw_surroundings
from dmgan_tf.data.toy_birds.hatching import Hatching, background_spectra, hatching
from dmgan_tf.data.toy_birds.species import (
    COLORS,
    PARTS,
    SURROUNDINGS,
    Bird,
    Species,
    all_species,
    birds,
)
from dmgan_tf.data.toy_birds.surroundings_judge import (
    NO_SURROUNDINGS,
    judge_surroundings,
    variety,
)

__all__ = [
    "COLORS",
    "NO_SURROUNDINGS",
    "PARTS",
    "SURROUNDINGS",
    "Bird",
    "Caption",
    "ColorJudgement",
    "Hatching",
    "Species",
    "all_species",
    "background_spectra",
    "birds",
    "draw",
    "draw_all",
    "draw_surroundings",
    "hatching",
    "judge_colors",
    "judge_surroundings",
    "named_share",
    "variety",
]
