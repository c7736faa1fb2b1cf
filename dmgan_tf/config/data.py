"""Sections of the pictures: where they come from, and how networks see them."""

from dataclasses import dataclass

from dmgan_tf.config.checks import fraction, one_of, positive, require, seed


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig:
    """Where pictures and captions come from, and how they are read."""

    source: str = "prepared"  # toy_birds | prepared
    directory: str | None = None  # what `prepare_data` wrote
    homepage: str | None = None  # where to download the data; told where they are missing
    images_per_class: int = 20  # toy_birds
    seed: int = 0  # toy_birds: of the drawing
    max_words: int = 18  # longer captions keep a random sorted subset in training
    max_words_evaluation: int = 25
    load_side_ratio: float = 304 / 256  # pictures are read this much larger, then cropped
    horizontal_flip: bool = True

    def __post_init__(self):
        one_of(self, "source", ("toy_birds", "prepared"))
        positive(self, "images_per_class", "max_words", "max_words_evaluation")
        seed(self, "seed")
        require(
            self.load_side_ratio >= 1,
            f"`load_side_ratio` must be at least 1. Received: {self.load_side_ratio}.",
        )
        require(
            self.source == "toy_birds" or self.directory,
            f"`directory` must name the data's folder when `source` is {self.source!r}.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentationConfig:
    """What the networks that judge see of real and of drawn pictures (DiffAugment)."""

    translation: float = 0.0  # largest shift, in sides of the picture; 0: none
    cutout: float = 0.0  # side of the square cut out, in sides of the picture; 0: none
    color: bool = False  # brightness, saturation, contrast: not where captions name colours
    damsm_translation: float = 0.0  # of what DAMSM's image encoder sees of drawn pictures

    def __post_init__(self):
        fraction(self, "cutout")
        for name in ("translation", "damsm_translation"):
            value = getattr(self, name)
            require(0 <= value < 0.5, f"`{name}` must lie in [0, 0.5). Received: {name}={value}.")
