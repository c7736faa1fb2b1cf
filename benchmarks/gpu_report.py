"""Step time, memory and rounding on a GPU: float32, TF32, bfloat16, float16, with and without XLA.

    make gpu-report

Each form runs in a process of its own, from the same weights and batch. Differences are those of
the generator's pictures to float32's without XLA, in grey levels. `--device CPU --config
toy_birds.yaml` tries the report itself on a machine without a GPU.
"""

import itertools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dmgan_tf.command_line import argument_parser, import_tensorflow, run
from dmgan_tf.whole_file import write_text

_PRECISIONS = ("float32", "tf32", "bfloat16", "float16")
_COLUMNS = ("precision", "XLA", "ms a step", "peak MiB", "largest difference", "mean difference")
_WARM_UP = 3


def main() -> int:
    """Measures every form and writes the table; 2 where there is no such device."""
    parser = argument_parser(__doc__)
    parser.add_argument("--config", default="cub.yaml")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20, help="timed")
    parser.add_argument("--device", choices=("GPU", "CPU"), default="GPU")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu_report.md"))
    parser.add_argument("--form", nargs=2, metavar=("PRECISION", "XLA"), help="one form, as JSON")
    parser.add_argument("--reference", type=Path, help="with --form: pictures of the first form")
    arguments = parser.parse_args()
    import_tensorflow()
    import tensorflow as tf

    from dmgan_tf.training.devices import device_names

    if arguments.device == "GPU" and not tf.config.list_physical_devices("GPU"):
        print(
            "error: TensorFlow sees no GPU: pip install '.[gpu]', on a machine with an NVIDIA card."
        )
        return 2
    if arguments.form:
        print(json.dumps(_measured(arguments)))
        return 0
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for precision, xla in itertools.product(_PRECISIONS, (False, True)):
            form = "--form", precision, str(xla), "--reference", f"{folder}/pictures.npy"
            rows.append(_in_a_process(arguments, form))
            print(*rows[-1].values(), sep="  ", flush=True)
    title = f"{', '.join(device_names())}; {arguments.config}, batch {arguments.batch}, TensorFlow "
    lines = [title + tf.__version__, "", *_table(rows)]
    write_text(arguments.out, "\n".join(lines) + "\n")
    print(f"Report: {arguments.out}")
    return 0


def _in_a_process(arguments, form):
    options = "--config", arguments.config, "--batch", arguments.batch, "--steps", arguments.steps
    command = [sys.executable, __file__, *form, *options, "--device", arguments.device]
    process = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False
    )
    if process.returncode == 0:
        return json.loads(process.stdout.splitlines()[-1])
    reason = (process.stderr.splitlines() or ["no message"])[-1][:80]
    return dict.fromkeys(_COLUMNS, "") | {"precision": form[1], "XLA": form[2], "ms a step": reason}


def _measured(arguments):
    """The row of one form."""
    import numpy as np
    import tensorflow as tf
    from random_model import random_trainer

    precision, xla = arguments.form[0], arguments.form[1] == "True"
    tf.config.experimental.enable_tensor_float_32_execution(precision == "tf32")
    overrides = []
    if precision in ("bfloat16", "float16"):
        overrides.append(f"training.mixed_precision={precision}")
    trainer, data = random_trainer(arguments.config, arguments.batch, *overrides)
    text = trainer.encode_text(data)
    noise = data["noise"], data["condition_noise"]
    output = trainer.generator(*text[:2], text.completed_sentence, *noise)
    drawn = tf.cast(output.images[-1], tf.float32).numpy() * 127.5
    if not arguments.reference.exists():
        np.save(arguments.reference, drawn)
    difference = np.abs(drawn - np.load(arguments.reference))
    step = tf.function(trainer.train_step, autograph=False, jit_compile=xla)
    for _ in range(_WARM_UP):
        last = step(data)
    started = time.perf_counter()
    for _ in range(arguments.steps):
        last = step(data)
    float(last["generator_loss"])  # waits for the device
    elapsed = time.perf_counter() - started
    peak = None
    if arguments.device == "GPU":
        peak = round(tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20)
    values = (
        precision,
        xla,
        round(1e3 * elapsed / arguments.steps, 1),
        peak,
        round(float(difference.max()), 2),
        round(float(difference.mean()), 4),
    )
    return dict(zip(_COLUMNS, values, strict=True))


def _table(rows):
    yield f"| {' | '.join(_COLUMNS)} |"
    yield "|---" * len(_COLUMNS) + "|"
    for row in rows:
        yield f"| {' | '.join(str(row[name]) for name in _COLUMNS)} |"


if __name__ == "__main__":
    run(main)
