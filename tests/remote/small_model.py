"""A model directory of milliseconds."""

import keras

from dmgan_tf.data.vocabulary import END, Vocabulary
from dmgan_tf.inference.model_directory import save_model
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.text_encoder import TextEncoder

CONFIG = "data: {source: toy_birds}\n"


def save(path):
    keras.utils.set_random_seed(0)
    vocabulary = Vocabulary([END, "a", "bird", "red"])
    text = TextEncoder(len(vocabulary), embedding_size=4, feature_size=6)
    text.build()
    generator = Generator(
        feature_channels=4,
        memory_channels=5,
        condition_size=3,
        noise_size=4,
        first_side=8,
        stages=2,
        residual_blocks=1,
    )
    generator.build((None, None, 6))
    networks = {"generator": generator, "text_encoder": text}
    save_model(path, networks, vocabulary, CONFIG, step=7, max_words=12)
    return path
