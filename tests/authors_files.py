"""A small model in the authors' files: names, layout and formats of theirs, random weights."""

import pickle
from dataclasses import replace

import numpy as np

from dmgan_tf import build
from dmgan_tf.config import (
    Config,
    DataConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    TextEncoderConfig,
)
from dmgan_tf.data.vocabulary import END
from dmgan_tf.interop.authors_layout import to_authors
from dmgan_tf.interop.torch_file import write_state_dict

WORDS = (END, "a", "bird", "red", "with", "the", "wings")
CONFIG = Config(
    data=DataConfig(source="toy_birds"),
    text_encoder=TextEncoderConfig(
        vocabulary_size=len(WORDS), embedding_size=4, feature_size=6, dropout=0.0
    ),
    generator=GeneratorConfig(
        feature_channels=2, memory_channels=3, condition_size=2, noise_size=3, stages=2
    ),
    discriminator=DiscriminatorConfig(base_width=1),
)


def networks(config=CONFIG):
    """Generator, text encoder and discriminators with weights away from where they start."""
    made = [
        build.generator(config),
        build.text_encoder(config, config.text_encoder.vocabulary_size),
        *build.discriminators(config),
    ]
    rng = np.random.default_rng(0)
    for weight in (weight for network in made for weight in network.weights):
        weight.assign(weight + rng.uniform(-0.3, 0.3, weight.shape))
    return made


def write_captions(path, words=WORDS):
    """A captions.pickle as Python 2 writes it: protocol 2, with two captions."""
    content = [[[1, 3, 2]], [[1, 2]], dict(enumerate(words)), {w: i for i, w in enumerate(words)}]
    path.write_bytes(pickle.dumps(content, 2))


def write(folder, config=CONFIG):
    """All files into `folder`; returns the networks that they hold."""
    made = networks(config)
    generator, text_encoder, *judges = made
    write_state_dict(folder / "netG.pth", to_authors(generator))
    write_state_dict(folder / "text_encoder.pth", to_authors(text_encoder))
    for i, judge in enumerate(judges):
        write_state_dict(folder / f"netD{i}.pth", to_authors(judge))
    write_captions(folder / "captions.pickle")
    return made


def with_generator(**changes):
    """CONFIG with another generator."""
    return replace(CONFIG, generator=replace(CONFIG.generator, **changes))
