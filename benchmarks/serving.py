"""Load on `dmgan serve` on this machine: throughput, latency, and the server's own overhead.

    python benchmarks/serving.py --saved-model models/served/dmgan

32 clients ask without pause for one picture a request, for a minute each with and without
batching; then one client asks alone, beside the same calls to the model without a server.
"""

import argparse
import sys
import threading
import time
from pathlib import Path

from server_process import ServerProcess

from dmgan_tf.serving.client import Client

_CAPTION = "a red bird with black wings"
_CALLS_ALONE = 200


def main() -> int:
    """Measures and prints tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--saved-model", type=Path, required=True, help="folder of the versions")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    if not arguments.saved_model.is_dir():
        parser.error(f"--saved-model: there is no folder {arguments.saved_model}.")
    print("| | pictures/s | p50, ms | p95, ms | p99, ms | errors |\n|---|---|---|---|---|---|")
    for title, options in (("batching", []), ("no batching", ["--no-batching"])):
        with ServerProcess(arguments.saved_model, *options) as server:
            times, errors = _load(server.address, arguments.clients, arguments.seconds)
        rate = len(times) / arguments.seconds
        print(
            f"| {title} | {rate:.0f} | {_percentiles(times, 50, 95, 99)} | {errors} |", flush=True
        )
    with ServerProcess(arguments.saved_model) as server, Client(server.address) as client:
        served = _timed(lambda seed: client.generate([_CAPTION], [seed]))
    direct = _timed(_model(arguments.saved_model))
    print("\n| one client | p50, ms | p95, ms |\n|---|---|---|")
    print(f"| through the server | {_percentiles(served, 50, 95)} |")
    print(f"| the model alone | {_percentiles(direct, 50, 95)} |")
    return 0


def _load(address, clients, seconds):
    """(seconds of each answer, number of errors) of clients that ask without pause."""
    times, errors = [], []
    begin = time.perf_counter()

    def ask(number):
        with Client(address, attempts=1) as client:
            seed = number
            while time.perf_counter() < begin + seconds:
                started = time.perf_counter()
                try:
                    client.generate([_CAPTION], [seed])
                except Exception as error:  # whatever it is, it counts
                    errors.append(error)
                else:
                    times.append(time.perf_counter() - started)
                seed += clients

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, len(errors)


def _timed(call):
    """Seconds of each of a number of calls, one after the other, after some to warm up."""
    times = []
    for seed in range(_CALLS_ALONE + 20):
        started = time.perf_counter()
        call(seed)
        times.append(time.perf_counter() - started)
    return times[20:]


def _model(saved_model):
    """Function of a seed: the newest version's default signature, called as Python calls it."""
    import tensorflow as tf

    newest = max((p for p in saved_model.iterdir() if p.name.isdigit()), key=lambda p: int(p.name))
    model = tf.saved_model.load(str(newest))
    draw = model.signatures["serving_default"]

    def call(seed):
        draw(caption=tf.constant([_CAPTION]), seed=tf.constant([seed], tf.int64))
        return model  # alive as long as the function

    return call


def _percentiles(times, *shares):
    ordered = sorted(times)
    found = (ordered[min(len(ordered) - 1, int(len(ordered) * s / 100))] for s in shares)
    return " | ".join(f"{1e3 * value:.1f}" for value in found)


if __name__ == "__main__":
    sys.exit(main())
