"""What one exported model costs a process that does nothing else: prints JSON.

python -m dmgan_tf.export.edge_cost onnxruntime int8 runs/demo/onnx
"""

import json
import re
import statistics
import sys
import time
from pathlib import Path

_REPEATS, _WORDS = 10, 16


def main(runtime: str, precision: str, folder: str) -> None:
    """Loads the file, draws, and prints times and the peak of resident memory."""
    import numpy as np  # before the clock starts: any program has it

    from dmgan_tf.edge import read_manifest
    from dmgan_tf.export.edge_report import model_file
    from dmgan_tf.inference import edge_runtimes

    edge_runtimes.import_runtime(runtime)
    manifest = read_manifest(Path(folder))
    rng = np.random.default_rng(0)

    def feed(batch):
        noises = {
            name: rng.standard_normal((batch, manifest[size]), np.float32)
            for name, size in (("noise", "noise_size"), ("condition_noise", "condition_size"))
        }
        ids = np.zeros((batch, manifest["max_words"]), np.int32)
        ids[:, :_WORDS] = 1
        lengths = np.full(batch, min(_WORDS, manifest["max_words"]), np.int32)
        return noises | {"ids": ids, "lengths": lengths}

    started = time.perf_counter()
    content = model_file(Path(folder), runtime, precision).read_bytes()
    draw = edge_runtimes.load(runtime, content, bfloat16=precision == "bfloat16")
    draw(feed(1))
    cold = time.perf_counter() - started
    print(
        json.dumps(
            {
                "cold_start_ms": round(1e3 * cold, 1),
                "latency_ms": _latency(draw, feed(1)),
                "latency_4_ms": _latency(draw, feed(4)),
                "peak_memory_mib": _peak_memory_mib(),
            }
        )
    )


def _latency(draw, feed):
    """Median of several runs, in milliseconds, after one to warm up."""
    times = []
    for _ in range(_REPEATS + 1):
        started = time.perf_counter()
        draw(feed)
        times.append(time.perf_counter() - started)
    return round(1e3 * statistics.median(times[1:]), 1)


def _peak_memory_mib():
    """Of this program, Python and the runtime included; None where the system doesn't say."""
    # Not getrusage: a program's peak there includes that of the one that started it.
    status = Path("/proc/self/status")
    found = status.exists() and re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
    return int(found[1]) // 1024 if found else None


if __name__ == "__main__":
    main(*sys.argv[1:])
