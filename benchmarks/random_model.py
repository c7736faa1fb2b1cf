"""Untrained models of a config's size that behave like trained ones where speed is measured.

No trained weights of full size are to be had without the data set. Batch norm has the statistics
of the model's own activations, and pictures have full contrast: rounding would be seen neither in
faint ones nor in ones that are black and white throughout.
"""

VOCABULARY_SIZE = 5450
_WORDS, _STATISTICS_BATCH = 12, 8


def random_artist(config, *overrides):
    """(TextToImage, its generator) of a config's name; knows word1, word2, …

    Args: overrides: `section.key=value`.
    """
    import keras
    import numpy as np
    import tensorflow as tf

    from dmgan_tf import build
    from dmgan_tf.config_file import find_config, load_config
    from dmgan_tf.data.vocabulary import END, Vocabulary
    from dmgan_tf.inference.text_to_image import TextToImage
    from dmgan_tf.layers.batch_norm import BatchNorm

    keras.utils.set_random_seed(0)
    settings = load_config(find_config(config), overrides)
    vocabulary = Vocabulary([END, *(f"word{i}" for i in range(1, VOCABULARY_SIZE))])
    generator = build.generator(settings)
    encoder = build.text_encoder(settings, len(vocabulary))
    artist = TextToImage(generator, encoder, vocabulary, settings.data.max_words_evaluation)
    norms = [layer for layer in generator._flatten_layers() if isinstance(layer, BatchNorm)]
    for norm in norms:
        norm.momentum = 0.0  # the statistics of the batch below
    rng = np.random.default_rng(0)
    rows = [list(rng.integers(1, VOCABULARY_SIZE, _WORDS)) for _ in range(_STATISTICS_BATCH)]
    feed = artist.inputs(rows, range(_STATISTICS_BATCH))
    words, sentence = encoder(feed["ids"], feed["lengths"])
    mask = tf.sequence_mask(feed["lengths"], words.shape[1])
    inputs = words, mask, sentence, feed["noise"], feed["condition_noise"]
    generator(*inputs, training=True)
    # From faint pictures, where tanh does nothing yet, to ones of full contrast.
    head = generator.image_heads[-1].kernel
    head.assign(1e-3 * head)
    head.assign(head / tf.math.reduce_std(generator(*inputs).images[-1]))
    return artist, generator


def random_trainer(config, batch, *overrides, make=None):
    """(trainer with random encoders, a batch of random pictures and captions) of a config's name.

    Args: overrides: `section.key=value`. make: instead of `build.dmgan_trainer`.
    """
    import keras
    import numpy as np
    import tensorflow as tf

    from dmgan_tf import build
    from dmgan_tf.config_file import find_config, load_config
    from dmgan_tf.layers.augmentation import NOISE_SIZE

    keras.utils.set_random_seed(0)
    settings = load_config(find_config(config), overrides)
    encoders = build.text_encoder(settings, VOCABULARY_SIZE), build.image_encoder(settings)
    rng = np.random.default_rng(0)
    words, sides = settings.data.max_words, settings.generator.sides

    def normal(size):
        return tf.constant(rng.normal(size=(batch, size)), tf.float32)

    data = {
        "images": tuple(
            tf.constant(rng.uniform(-1, 1, (batch, side, side, 3)), tf.float32) for side in sides
        ),
        "ids": tf.constant(rng.integers(1, VOCABULARY_SIZE, (batch, words)), tf.int32),
        "lengths": tf.fill([batch], words),
        "class_ids": tf.range(batch),
        "noise": normal(settings.generator.noise_size),
        "condition_noise": normal(settings.generator.condition_size),
        "augmentation_noise": tf.constant(
            rng.uniform(size=(batch, len(sides) + 1, 2, NOISE_SIZE)), tf.float32
        ),
    }
    return (make or build.dmgan_trainer)(settings, *encoders), data


def save_untrained_model(directory, config):
    """A model directory of untrained networks that knows the config's words."""
    from dmgan_tf import build
    from dmgan_tf.config_file import find_config, load_config
    from dmgan_tf.inference.model_directory import save_model

    settings = load_config(find_config(config))
    vocabulary = build.vocabulary(settings, build.pictures(settings, "train"))
    networks = {
        "generator": build.generator(settings),
        "text_encoder": build.text_encoder(settings, len(vocabulary)),
        "image_encoder": build.image_encoder(settings),
    }
    words = settings.data.max_words_evaluation
    save_model(directory, networks, vocabulary, settings.to_yaml(), max_words=words)
