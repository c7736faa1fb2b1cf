"""Sizes, differences and costs of all ONNX precisions at the full size of a config.

    python benchmarks/edge.py --config cub.yaml

The weights are those of `random_model`: what is measured is size, speed and rounding.
"""

import argparse
import random
import statistics
import tempfile
import time
from pathlib import Path

from random_model import VOCABULARY_SIZE, random_artist

from dmgan_tf.command_line import import_tensorflow, run
from dmgan_tf.config_file import find_config, load_config

_CAPTIONS, _REPEATS = 64, 5


def main() -> int:
    """Builds, exports, prints the report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--config", default="cub.yaml")
    parser.add_argument("--precision", default="float32,float16,int8")
    arguments = parser.parse_args()
    find_config(arguments.config)
    import_tensorflow()
    from dmgan_tf.export.onnx_files import export
    from dmgan_tf.inference.text_to_image import TextToImage

    with tempfile.TemporaryDirectory() as folder:
        model, captions = Path(folder) / "model", Path(folder) / "captions.txt"
        rng = random.Random(0)
        words = [f"word{i}" for i in range(1, VOCABULARY_SIZE)]
        captions.write_text("\n".join(" ".join(rng.sample(words, 12)) for _ in range(_CAPTIONS)))
        _save_random_model(arguments.config, model)
        artist = TextToImage.from_preset(model)
        print(f"Keras: {_keras_latency(artist, 1)} ms, batch 1; {_keras_latency(artist, 4)} ms, 4")
        precision = tuple(arguments.precision.split(","))
        print(export(model, Path(folder) / "onnx", precision, captions))
    return 0


def _save_random_model(config: str, directory: Path):
    from dmgan_tf.inference.model_directory import save_model

    artist, generator = random_artist(config)
    save_model(
        directory,
        {"generator": generator, "text_encoder": artist.text_encoder},
        artist.vocabulary,
        load_config(find_config(config)).to_yaml(),
        max_words=artist.max_words,
    )


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
