"""Sizes, differences and costs of a model in every runtime for devices and every precision.

    python benchmarks/edge.py --model toy_birds_128
    python benchmarks/edge.py --config cub.yaml --runtimes onnxruntime,openvino --precision int8

With `--config` the weights are those of `random_model`: what is measured is size, speed and
rounding at the full size. bfloat16 is OpenVINO's, where the processor has it, and above the table
Keras', which every processor computes. `--held-out 128` adds a table over that many captions more,
with other seeds.
"""

import argparse
import json
import random
import statistics
import tempfile
import time
from pathlib import Path

from random_model import VOCABULARY_SIZE, random_artist

from dmgan_tf.command_line import import_tensorflow, run
from dmgan_tf.config_file import find_config, load_config
from dmgan_tf.errors import UserError
from dmgan_tf.inference.edge_runtimes import RUNTIMES
from dmgan_tf.inference.presets import locate

_CAPTIONS, _REPEATS = 64, 5
_JUDGED, _FIRST_SEED = 16, 1000  # captions of the report; seed of those held out


def main() -> int:
    """Exports, measures, prints one table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--model", type=locate, help="a preset, or the folder of a run or model")
    which.add_argument("--config", help="random weights of this config")
    parser.add_argument("--runtimes", default=",".join(RUNTIMES))
    parser.add_argument("--precision", default="float32,float16,int8")
    parser.add_argument(
        "--held-out",
        type=int,
        default=0,
        metavar="N",
        help="also judge by N captions that neither calibration nor the first table has",
    )
    arguments = parser.parse_args()
    import_tensorflow()
    from dmgan_tf.export import edge_folder, edge_report
    from dmgan_tf.inference.text_to_image import TextToImage

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, captions = arguments.model, None
        if arguments.config:
            model, captions = folder / "model", folder / "captions.txt"
            save_random_model(arguments.config, model, captions)
        artist = TextToImage.from_preset(model)
        print(f"Keras: {_keras_latency(artist, 1)} ms, batch 1; {_keras_latency(artist, 4)} ms, 4")
        judged = edge_folder.captions(artist, model, captions)[1]
        wanted = edge_report.reference(artist, judged).images
        narrow = TextToImage.from_preset(model, dtype="bfloat16")
        drawn = edge_report.reference(narrow, judged).images
        print(f"Keras in bfloat16: {edge_report.psnr(drawn, wanted)} dB")
        runtimes, precision = (getattr(arguments, n).split(",") for n in ("runtimes", "precision"))
        rows = list(_rows(artist, model, captions, folder, runtimes, tuple(precision)))
        print(edge_report.table(rows))
        if count := arguments.held_out:
            judged = edge_folder.captions(artist, model, captions, _JUDGED + count)[1][_JUDGED:]
            if not judged:
                raise UserError(f"--held-out {count}: there are no captions beyond the table's.")
            reference = edge_report.reference(artist, judged, _FIRST_SEED)
            print(f"{len(judged)} held out:")
            kinds = [(row["runtime"], row["precision"]) for row in rows]
            forms = ("litert" if runtime == "litert" else "onnx" for runtime, _ in kinds)
            again = [
                edge_report.rows(folder / form, [kind], reference)[0]
                for form, kind in zip(forms, kinds, strict=True)
            ]
            print(edge_report.table(again))
    return 0


def _rows(artist, model, captions, folder, runtimes, precisions):
    """Lines of the table, runtime after runtime."""
    from dmgan_tf.export import edge_folder, edge_report, litert_files, onnx_files
    from dmgan_tf.training.devices import has_bfloat16

    if "onnxruntime" in runtimes or "openvino" in runtimes:
        onnx_files.export(model, folder / "onnx", precisions, captions)
    if "onnxruntime" in runtimes:
        yield from json.loads((folder / "onnx" / edge_folder.REPORT).read_text())
    if "openvino" in runtimes:
        judged = edge_folder.captions(artist, model, captions)[1]
        more = ["bfloat16"] if has_bfloat16() and "float32" in precisions else []
        kinds = [("openvino", precision) for precision in (*precisions, *more)]
        yield from edge_report.rows(folder / "onnx", kinds, edge_report.reference(artist, judged))
    if "litert" in runtimes:
        litert_files.export(model, folder / "litert", precisions, captions)
        yield from json.loads((folder / "litert" / edge_folder.REPORT).read_text())


def save_random_model(config: str, directory: Path, captions: Path) -> None:
    """Writes a model of random weights, and captions that it knows."""
    from dmgan_tf.inference.model_directory import save_model

    rng = random.Random(0)
    words = [f"word{i}" for i in range(1, VOCABULARY_SIZE)]
    captions.write_text("\n".join(" ".join(rng.sample(words, 12)) for _ in range(_CAPTIONS)))
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
        artist.generate([artist.vocabulary.words[i + 1] for i in range(batch)])
        times.append(time.perf_counter() - started)
    return round(1e3 * statistics.median(times[1:]), 1)


if __name__ == "__main__":
    run(main)
