"""The part of `build` for data: from a config to pictures, captions and words."""

import functools
from collections.abc import Sequence

import numpy as np

from dmgan_tf.config import Config
from dmgan_tf.data.picture_order import check_class_sizes
from dmgan_tf.data.picture_set import PictureSet
from dmgan_tf.data.pipeline import PipelineOptions
from dmgan_tf.data.prepared import load_prepared, load_prepared_vocabulary
from dmgan_tf.data.toy_birds import birds, draw_all
from dmgan_tf.data.vocabulary import Vocabulary
from dmgan_tf.layers.augmentation import NOISE_SIZE, Augmentation


def captions(config: Config, split: str) -> Sequence[Sequence[str]]:
    """The captions of a split's pictures, without the pictures where they would be drawn."""
    if config.data.source == "prepared":
        return pictures(config, split).captions
    flock = birds(split, config.data.images_per_class, config.data.seed)
    return tuple(tuple(caption.text for caption in bird.captions) for bird in flock)


@functools.cache
def pictures(config: Config, split: str) -> PictureSet:
    """The pictures of a split, `train` or `test`; pretraining and training share what is drawn."""
    data = config.data
    if data.source == "prepared" and data.directory:
        return load_prepared(data.directory, split, data.homepage)
    flock = birds(split, data.images_per_class, data.seed)
    return PictureSet(
        images=draw_all(flock, config.generator.sides[-1]),
        captions=captions(config, split),
        class_ids=np.array([bird.class_id for bird in flock], np.int32),
    )


def vocabulary(config: Config, training_pictures: PictureSet) -> Vocabulary:
    """The words of the prepared folder, or of the training captions."""
    if config.data.source == "prepared" and config.data.directory:
        return load_prepared_vocabulary(config.data.directory)
    captions = (caption for row in training_pictures.captions for caption in row)
    return Vocabulary.from_captions(captions, config.text_encoder.vocabulary_size)


def check_groups(config: Config) -> None:
    """Raises UserError when a class is too small for `damsm.pictures_per_class`; draws nothing."""
    size, data = config.damsm.pictures_per_class, config.data
    if size == 1:
        return
    if data.source == "prepared":
        class_ids = pictures(config, "train").class_ids
    else:
        flock = birds("train", data.images_per_class, data.seed)
        class_ids = np.array([bird.class_id for bird in flock])
    check_class_sizes(class_ids, size)


def pipeline_options(config: Config, dropout_size: int = 0) -> PipelineOptions:
    """What of the input pipeline the config decides; pretraining wants noise for dropout."""
    return PipelineOptions(
        sides=config.generator.sides,
        max_words=config.data.max_words,
        noise_size=config.generator.noise_size,
        condition_size=config.generator.condition_size,
        load_side_ratio=config.data.load_side_ratio,
        horizontal_flip=config.data.horizontal_flip,
        dropout_size=dropout_size,
        # Pretraining is what wants dropout; it sees the pictures as they are.
        augmentation_shape=() if dropout_size else _augmentation_shape(config),
        pictures_per_class=config.damsm.pictures_per_class if dropout_size else 1,
        seed=config.training.seed,
    )


def augmentation(config: Config) -> Augmentation:
    """What happens to pictures before a discriminator."""
    section = config.augmentation
    return Augmentation(section.translation, section.cutout, section.color)


def _augmentation_shape(config):
    """Noise for each discriminator of pictures and for DAMSM's encoder, real and drawn; or none."""
    section = config.augmentation
    if not (augmentation(config) or section.damsm_translation):
        return ()
    return (len(config.generator.sides) + 1, 2, NOISE_SIZE)
