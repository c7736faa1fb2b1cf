"""Sizes, differences and costs of all ONNX precisions at the full size of a config.

    python benchmarks/edge.py --config cub.yaml

The weights are random ones (no trained ones are to be had without the data set), with batch-norm
statistics of the model's own activations and pictures of full contrast: what is measured is size,
speed and rounding.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "export")]

from dmgan_tf.command_line import import_tensorflow, run  # noqa: E402
from dmgan_tf.config import Config  # noqa: E402
from dmgan_tf.config_file import find_config, load_config  # noqa: E402

_WORDS, _CAPTIONS = 5450, 64
_STATISTICS_BATCH, _REPEATS = 16, 5


def main() -> int:
    """Builds, exports, prints the report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--config", default="cub.yaml")
    parser.add_argument("--precision", default="float32,float16,int8")
    arguments = parser.parse_args()
    config = load_config(find_config(arguments.config))
    import_tensorflow()
    from onnx_files import export

    with tempfile.TemporaryDirectory() as folder:
        model, captions = Path(folder) / "model", Path(folder) / "captions.txt"
        rng = random.Random(0)
        words = [f"word{i}" for i in range(1, _WORDS)]
        captions.write_text("\n".join(" ".join(rng.sample(words, 12)) for _ in range(_CAPTIONS)))
        artist = _save_random_model(config, words, model)
        print(f"Keras: {_keras_latency(artist, 1)} ms, batch 1; {_keras_latency(artist, 4)} ms, 4")
        precision = tuple(arguments.precision.split(","))
        print(export(model, Path(folder) / "onnx", precision, captions))
    return 0


def _save_random_model(config: Config, words: list[str], directory: Path):
    import keras
    import numpy as np
    import tensorflow as tf

    from dmgan_tf import build
    from dmgan_tf.data.vocabulary import END, Vocabulary
    from dmgan_tf.inference.model_directory import save_model
    from dmgan_tf.inference.text_to_image import TextToImage
    from dmgan_tf.layers.batch_norm import BatchNorm

    keras.utils.set_random_seed(0)
    vocabulary = Vocabulary([END, *words])
    generator, encoder = build.generator(config), build.text_encoder(config, len(vocabulary))
    artist = TextToImage(generator, encoder, vocabulary, config.data.max_words_evaluation)
    for layer in generator._flatten_layers():
        if isinstance(layer, BatchNorm):
            layer.momentum = 0.0  # the statistics of the batch below
    rng = np.random.default_rng(0)
    rows = [list(rng.integers(1, len(vocabulary), 12)) for _ in range(_STATISTICS_BATCH)]
    feed = artist.inputs(rows, range(_STATISTICS_BATCH))
    features, sentence = encoder(feed["ids"], feed["lengths"])
    mask = tf.sequence_mask(feed["lengths"], features.shape[1])
    inputs = features, mask, sentence, feed["noise"], feed["condition_noise"]
    generator(*inputs, training=True)
    # From faint pictures, where tanh does nothing yet, to ones of full contrast: rounding would be
    # seen neither in faint ones nor in ones that are black and white throughout.
    head = generator.image_heads[-1].kernel
    head.assign(1e-3 * head)
    head.assign(head / tf.math.reduce_std(generator(*inputs, training=False).images[-1]))
    save_model(
        directory,
        {"generator": generator, "text_encoder": encoder},
        vocabulary,
        config.to_yaml(),
        max_words=artist.max_words,
    )
    return artist


def _keras_latency(artist, batch):
    """Median of several calls, in milliseconds, after one to warm up."""
    times = []
    for _ in range(_REPEATS + 1):
        started = time.perf_counter()
        artist.generate([f"word{i + 1}" for i in range(batch)])
        times.append(time.perf_counter() - started)
    return round(1e3 * statistics.median(times[1:]), 1)


if __name__ == "__main__":
    run(main)
