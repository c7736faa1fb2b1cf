"""Reading a prepared folder of millions of records: start, memory, throughput, shuffling.

    python benchmarks/many_records.py --records 10000000 --folder /data/many

The records are made here, unless the folder is there: one small picture (64 pixels) and a caption
of about twelve words each, and what `prepare-data` keeps beside their index. Each measurement runs
in a process of its own.
"""

import argparse
import io
import json
import multiprocessing
import resource
import time
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from dmgan_tf.command_line import import_tensorflow, run

_SIDE, _PER_SHARD, _SPLIT = 64, 512, "train"
_WORDS = [f"word{i}" for i in range(5000)]
_BATCH_SIZE, _WARM_BATCHES, _BATCHES = 32, 20, 200


def main() -> int:
    """Makes the records and their arrays, reads them, and prints a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, required=True)
    arguments = parser.parse_args()
    if not arguments.folder.exists():
        _make(arguments.folder, arguments.records)
    context = multiprocessing.get_context("spawn")
    with context.Pool(1, maxtasksperchild=1) as pool:
        seconds = pool.apply(_store, (arguments.folder,))
        print(f"Arrays beside the index, by `prepare-data`: {seconds:,.3g} s.\n")
        measured = pool.apply(_measure, (arguments.folder,))
    print("| | |\n|---|---|")
    for name, value in measured.items():
        print(f"| {name} | {value:,.3g} |")
    return 0


def _make(folder, count):
    from dmgan_tf.data.vocabulary import Vocabulary

    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    buffer = io.BytesIO()
    coarse = Image.fromarray(rng.integers(0, 256, (_SIDE // 8, _SIDE // 8, 3), np.uint8))
    coarse.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC).save(buffer, "JPEG")  # 1 to 2 KB
    picture = buffer.getvalue()
    shards = -(-count // _PER_SHARD)
    with (folder / "index.jsonl").open("w") as index:
        for shard in range(shards):
            name = f"{_SPLIT}-{shard:05d}-of-{shards:05d}.tfrecord"
            rows = range(shard * _PER_SHARD, min((shard + 1) * _PER_SHARD, count))
            (folder / name).write_bytes(picture * len(rows))
            words = rng.integers(0, len(_WORDS), (len(rows), 12))
            for place, row in enumerate(rows):
                content = {
                    "name": f"{shard:05d}/{row:09d}",
                    "split": _SPLIT,
                    "class_id": None,
                    "box": None,
                    "captions": [" ".join(_WORDS[i] for i in words[place])],
                    "width": _SIDE,
                    "height": _SIDE,
                    "shard": name,
                    "offset": place * len(picture),
                    "size": len(picture),
                }
                index.write(json.dumps(content) + "\n")
    vocabulary = Vocabulary(["<end>", *_WORDS])
    vocabulary.save(folder / "vocabulary.json")
    metadata = {"format": 1, "vocabulary_fingerprint": vocabulary.fingerprint}
    (folder / "metadata.json").write_text(json.dumps(metadata))


def _store(folder):
    """Seconds that `prepare-data` takes for what it keeps beside a large index."""
    from dmgan_tf.data.stored_arrays import store_arrays

    begun = time.monotonic()
    store_arrays(folder)
    return time.monotonic() - begun


def _measure(folder):
    import_tensorflow()
    from dmgan_tf.data.picture_order import picture_order
    from dmgan_tf.data.pipeline import PipelineOptions, training_dataset
    from dmgan_tf.data.prepared import load_prepared, load_prepared_vocabulary

    before = _resident()
    begun = time.monotonic()
    pictures, vocabulary = load_prepared(folder, _SPLIT), load_prepared_vocabulary(folder)
    options = PipelineOptions(sides=(_SIDE,), max_words=15, noise_size=100, condition_size=100)
    batches = iter(training_dataset(pictures, vocabulary, options, batch_size=_BATCH_SIZE))
    next(batches)
    start = time.monotonic() - begun
    for _ in islice(batches, _WARM_BATCHES):
        pass
    warm, begun = _resident(), time.monotonic()
    for _ in islice(batches, _BATCHES):
        pass
    seconds = time.monotonic() - begun
    picture_at = picture_order(pictures.class_ids, 0)
    places = np.linspace(0, len(pictures) - 1, 2000).astype(np.int64)
    travelled = [abs(int(picture_at(p)) - int(p)) / len(pictures) for p in places]
    return {
        "records": len(pictures),
        "seconds to the first batch": start,
        "MiB more after the first batches": warm - before,
        f"MiB more after {_BATCHES} further batches": _resident() - warm,
        "MiB at most": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "pictures/s": _BATCHES * _BATCH_SIZE / seconds,
        "a picture's way in an epoch, of all (a full shuffle: 0.333)": float(np.mean(travelled)),
    }


def _resident():
    """MiB of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


if __name__ == "__main__":
    run(main)
