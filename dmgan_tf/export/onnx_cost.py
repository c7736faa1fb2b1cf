"""What one ONNX file costs a process that does nothing else: prints JSON.

python -m dmgan_tf.export.onnx_cost runs/demo/onnx/dmgan_int8.onnx
"""

import json
import re
import statistics
import sys
import time
from pathlib import Path

_REPEATS = 10


def main(path: str) -> None:
    """Loads the file, draws, and prints times and the peak of resident memory."""
    import numpy as np  # before the clock starts: any program has it
    import onnxruntime

    started = time.perf_counter()
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)

    def feed(batch):
        sizes = {value.name: value.shape[-1] for value in session.get_inputs()}
        noises = {
            name: rng.standard_normal((batch, sizes[name]), np.float32)
            for name in ("noise", "condition_noise")
        }
        words = 16
        return noises | {
            "ids": np.ones((batch, words), np.int32),
            "lengths": np.full(batch, words, np.int32),
        }

    session.run(None, feed(1))
    cold = time.perf_counter() - started
    print(
        json.dumps(
            {
                "cold_start_ms": round(1e3 * cold, 1),
                "latency_ms": _latency(session, feed(1)),
                "latency_4_ms": _latency(session, feed(4)),
                "peak_memory_mib": _peak_memory_mib(),
            }
        )
    )


def _latency(session, feed):
    """Median of several runs, in milliseconds, after one to warm up."""
    times = []
    for _ in range(_REPEATS + 1):
        started = time.perf_counter()
        session.run(None, feed)
        times.append(time.perf_counter() - started)
    return round(1e3 * statistics.median(times[1:]), 1)


def _peak_memory_mib():
    """Of this program, Python and ONNX Runtime included; None where the system doesn't say."""
    # Not getrusage: a program's peak there includes that of the one that started it.
    status = Path("/proc/self/status")
    found = status.exists() and re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
    return int(found[1]) // 1024 if found else None


if __name__ == "__main__":
    main(sys.argv[1])
