"""A small data set drawn by the project itself, shaped like CUB-200: 200 birds with captions."""

from dmgan_tf.data.toy_birds.captions import Caption
from dmgan_tf.data.toy_birds.color_judge import (
    ColorJudgement,
    color_share,
    judge_colors,
    named_share,
)
from dmgan_tf.data.toy_birds.drawing import bounding_box, draw, draw_all, draw_surroundings
from dmgan_tf.data.toy_birds.species import COLORS, PARTS, Bird, Species, all_species, birds

__all__ = [
    "COLORS",
    "PARTS",
    "Bird",
    "Caption",
    "ColorJudgement",
    "Species",
    "all_species",
    "birds",
    "bounding_box",
    "color_share",
    "draw",
    "draw_all",
    "draw_surroundings",
    "judge_colors",
    "named_share",
]
