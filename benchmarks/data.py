"""The input pipeline at CUB's sizes: beside a Pillow loader in two processes, and the trainer.

    python benchmarks/data.py

Both loaders do the same to the same pictures: read, crop at the box, shorter side to 304, random
256 crop, flip, 128 and 64 as well, float32 in [−1, 1], batches of 10. The pictures are made here:
JPEG of 500 × 375 pixels as CUB's are. The trainer's rate is that of a full-size training step on
the same cores, with random encoders.
"""

import argparse
import io
import json
import multiprocessing
import random
import tempfile
import time
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from dmgan_tf.command_line import import_tensorflow, run
from dmgan_tf.config_file import find_config, load_config
from dmgan_tf.data.square_crop import square_crop

_PICTURES, _SIZE, _BOX = 400, (500, 375), (120.0, 60.0, 220.0, 200.0)
_BATCH_SIZE, _SIDES, _LOAD_SIDE = 10, (64, 128, 256), 304
_BATCHES, _PROCESSES, _TRAINER_BATCH, _TRAINER_STEPS = 60, 2, 4, 3


def main() -> int:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--no-trainer", action="store_true", help="the loaders alone")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        _make_pictures(Path(folder) / "found")
        pillow = _rate(_pillow_batches(Path(folder) / "found"))
        import_tensorflow()
        prepared = _prepare(Path(folder))
        ours = _rate(_our_batches(prepared))
        trainer = None if arguments.no_trainer else _trainer_rate(prepared)
    print("| | pictures/s |\n|---|---|")
    print(f"| this pipeline | {ours:.0f} |")
    print(f"| Pillow in {_PROCESSES} processes | {pillow:.0f} |")
    if trainer:
        print(f"| what the trainer takes | {trainer:.2f} |")
    return 0


def _make_pictures(folder):
    """Pictures with structure at every scale, so that a JPEG is as large as a photograph's."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = []
    for i in range(_PICTURES):
        image = np.zeros((_SIZE[1], _SIZE[0], 3))
        for size in (4, 16, 64, 250):
            noise = rng.integers(0, 256, (size * 3 // 4, size, 3)).astype(np.uint8)
            image += np.asarray(Image.fromarray(noise).resize(_SIZE), float) / 4
        Image.fromarray(image.astype(np.uint8)).save(folder / f"{i}.jpg", quality=90)
        rows.append({"file_name": f"{i}.jpg", "text": f"a bird number {i}", "box": _BOX})
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))


def _prepare(folder):
    from dmgan_tf.preparation import writer
    from dmgan_tf.preparation.plan import plan
    from dmgan_tf.preparation.sources.folder import find

    planned = plan(find(folder / "found", None, folder, test_share=0.0), "bench", None)
    writer.write(planned, folder / "prepared", processes=_PROCESSES)
    return folder / "prepared"


def _our_batches(prepared):
    from dmgan_tf.data.pipeline import PipelineOptions, training_dataset
    from dmgan_tf.data.prepared import load_prepared, load_prepared_vocabulary

    options = PipelineOptions(
        sides=_SIDES,
        max_words=18,
        noise_size=100,
        condition_size=100,
        load_side_ratio=_LOAD_SIDE / _SIDES[-1],
        horizontal_flip=True,
    )
    pictures, vocabulary = load_prepared(prepared, "train"), load_prepared_vocabulary(prepared)
    return iter(training_dataset(pictures, vocabulary, options, batch_size=_BATCH_SIZE))


def _pillow_batches(folder):
    with multiprocessing.get_context("spawn").Pool(_PROCESSES) as pool:
        yield from pool.imap(_pillow_batch, [(folder, i) for i in range(10 + _BATCHES)])


def _pillow_batch(task):
    """A batch as a PyTorch data loader's worker makes it."""
    folder, number = task
    rng = random.Random(number)
    batch = [[] for _ in _SIDES]
    for _ in range(_BATCH_SIZE):
        content = (folder / f"{rng.randrange(_PICTURES)}.jpg").read_bytes()
        image = Image.open(io.BytesIO(content)).convert("RGB")
        x, y, width, height = square_crop(_BOX, *image.size)
        image = image.crop((x, y, x + width, y + height))
        ratio = _LOAD_SIDE / min(image.size)
        image = image.resize((round(image.width * ratio), round(image.height * ratio)), 2)
        side = _SIDES[-1]
        left, top = rng.randint(0, image.width - side), rng.randint(0, image.height - side)
        image = image.crop((left, top, left + side, top + side))
        if rng.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        for side, images in zip(_SIDES, batch, strict=True):
            small = image if side == image.width else image.resize((side, side), 2)
            images.append(np.asarray(small, np.float32) / 127.5 - 1.0)
    return [np.stack(images) for images in batch]


def _rate(batches):
    """Pictures a second, after ten batches to warm up."""
    for _ in islice(batches, 10):
        pass
    started = time.perf_counter()
    count = sum(1 for _ in islice(batches, _BATCHES))
    return count * _BATCH_SIZE / (time.perf_counter() - started)


def _trainer_rate(prepared):
    import tensorflow as tf

    from dmgan_tf import build
    from dmgan_tf.data.pipeline import training_dataset
    from dmgan_tf.data.prepared import load_prepared, load_prepared_vocabulary

    overrides = [f"data.directory={prepared}", f"training.batch_size={_TRAINER_BATCH}"]
    config = load_config(find_config("cub.yaml"), overrides)
    vocabulary, pictures = load_prepared_vocabulary(prepared), load_prepared(prepared, "train")
    encoders = build.text_encoder(config, len(vocabulary)), build.image_encoder(config)
    trainer = build.dmgan_trainer(config, *encoders)
    options = build.pipeline_options(config)
    batch = next(iter(training_dataset(pictures, vocabulary, options, batch_size=_TRAINER_BATCH)))
    step = tf.function(trainer.train_step)
    step(batch)
    started = time.perf_counter()
    for _ in range(_TRAINER_STEPS):
        step(batch)
    return _TRAINER_BATCH * _TRAINER_STEPS / (time.perf_counter() - started)


if __name__ == "__main__":
    run(main)
