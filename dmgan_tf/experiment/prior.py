"""What a generator's prior learns from: pictures of the training set with their captions."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from dmgan_tf.config import Config
from dmgan_tf.data.encoded_captions import encode_all
from dmgan_tf.data.picture_set import PictureSet
from dmgan_tf.data.pipeline import read_pictures
from dmgan_tf.data.vocabulary import Vocabulary
from dmgan_tf.errors import UserError
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.text_encoder import TextEncoder

_PICTURES, _CAPTIONS, _BATCH = 5000, 5, 50


def prior_pairs(
    config: Config,
    pictures: PictureSet,
    vocabulary: Vocabulary,
    text: TextEncoder,
    image: keras.Model,
) -> tuple[np.ndarray, np.ndarray]:
    """Codes of up to 5,000 training pictures, and features of five captions of each.

    Pictures are cropped in the middle; a fixed seed chooses pictures and captions.

    Returns: float32 [N, D] and [N, 5, D]. A picture with fewer captions has some of them again.
    Raises: UserError: when pictures can't be read.
    """
    rng = np.random.default_rng(0)
    chosen = np.sort(rng.permutation(len(pictures))[:_PICTURES])  # in the order of files
    side, ratio = config.generator.sides[-1], config.data.load_side_ratio
    # Compiled, since an eager loop over words would take most of the time.
    image_code = tf.function(lambda images: image(images, training=False)[1])
    sentence_feature = tf.function(lambda ids, lengths: text(ids, lengths)[1])
    image_codes, sentence_features = [], []
    ids, ends, firsts = encode_all(pictures, vocabulary)
    for start in tqdm(range(0, len(chosen), _BATCH), "prior", unit="batch"):
        part = chosen[start : start + _BATCH]
        images = read_pictures(pictures, part, side, ratio) / np.float32(127.5) - 1
        image_codes.append(image_code(images))
        captions = [
            firsts[i] + np.resize(rng.permutation(firsts[i + 1] - firsts[i]), _CAPTIONS)
            for i in part
        ]
        rows = [ids[ends[c] : ends[c + 1]].tolist() for c in np.concatenate(captions)]
        padded = Vocabulary.pad(rows, config.data.max_words_evaluation)
        sentences = sentence_feature(*map(tf.constant, padded)).numpy()
        sentence_features.append(sentences.reshape(len(part), _CAPTIONS, -1))
    return np.concatenate(image_codes), np.concatenate(sentence_features)


def adapt_prior(
    generators: Sequence[Generator], image_codes: np.ndarray, sentence_features: np.ndarray
) -> str:
    """Adapts the prior of generators, all alike; returns what to tell of it.

    Raises: UserError: when captions leave too little open.
    """
    first, *others = generators
    try:
        share = first.prior.adapt(image_codes, sentence_features)
    except ValueError as error:
        raise UserError(f"`generator.prior_size`: {error}") from error
    for generator in others:
        generator.prior.set_weights(first.prior.get_weights())
    return (
        f"`generator.prior_size`: {first.prior.size} numbers hold {share:.0%} of what captions "
        f"leave open in {len(image_codes):,} pictures."
    )
