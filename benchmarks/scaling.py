"""Several machines on paper: `python benchmarks/scaling.py`, the tables of docs/cluster.md.

What a step all-reduces is counted in the networks of a config; what that takes is computed, not
measured: a ring of N workers sends each byte 2 (N - 1) / N times and takes 2 (N - 1) turns, nothing
overlaps with computing, and computing is linear in the pictures.
"""

import argparse
import math

from dmgan_tf.command_line import import_tensorflow, run
from dmgan_tf.config_file import find_config, load_config

# Gigabytes a second in one direction, and microseconds of a turn.
NETWORKS = {"10 GbE": (1.25, 50), "100 GbE": (12.5, 20), "NVLink": (300.0, 5)}
# Milliseconds of training a picture: of a step's median, 2 cores AMD EPYC, 2026-11-23.
MEASURED = {"cub.yaml": 3679.9 / 4, "toy_birds.yaml": 74.5 / 8}
_NORM_REDUCTIONS = 5  # count, mean and variance; two more in the gradient
_FLOAT_BYTES = 4


def communication(config):
    """What a step of a config's networks exchanges.

    Returns: bytes of gradients; bytes a picture of gathered features; collectives of batch norms.
    """
    import tensorflow as tf

    from dmgan_tf import build
    from dmgan_tf.layers.batch_norm import BatchNorm

    image, generator = build.image_encoder(config), build.generator(config)
    networks: list = [
        generator,
        *build.discriminators(config),
        *build.feature_discriminators(config, image),
    ]
    trained = [v for n in networks for v in n.trainable_variables]
    gradients = _FLOAT_BYTES * sum(math.prod(v.shape) for v in trained)
    regions = math.prod(image(tf.zeros([1, 64, 64, 3]))[0].shape)
    size, words = config.text_encoder.feature_size, config.data.max_words
    gathered = _FLOAT_BYTES * (regions + size + size * (words + 2))  # the sentence goes twice
    norms = [layer for layer in generator._flatten_layers() if isinstance(layer, BatchNorm)]
    return gradients, gathered, _NORM_REDUCTIONS * len(norms)


def exchange_milliseconds(found, workers, pictures, network):
    """What the collectives of a step take. Args: pictures: of the global batch."""
    gradients, gathered, norms = found
    bandwidth, turn = NETWORKS[network]
    sent = (workers - 1) / workers * (2 * gradients + pictures * gathered)
    turns = 2 * (workers - 1) * (norms + 1)
    return sent / bandwidth / 1e6 + turns * turn / 1e3


def table(found, milliseconds, batches):
    """Markdown: a step's time and efficiency by number of workers. Args: batches: N → pictures."""
    columns = [f"{name}: exchange, efficiency" for name in NETWORKS]
    rows = [f"| workers | global batch | computing | {' | '.join(columns)} |"]
    rows.append("|" + "---|" * (3 + len(columns)))
    for workers, pictures in batches.items():
        computing = pictures / workers * milliseconds
        cells = [f"{workers}", f"{pictures}", f"{computing:,.0f} ms"]
        for network in NETWORKS:
            exchange = exchange_milliseconds(found, workers, pictures, network)
            cells.append(f"{exchange:,.1f} ms, {100 * computing / (computing + exchange):.0f} %")
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def main():
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="cub.yaml", choices=MEASURED)
    parser.add_argument("--faster", type=float, default=1.0, help="than the machine measured")
    parser.add_argument("--batch", type=int, default=16, help="global; a worker's is a quarter")
    arguments = parser.parse_args()
    import_tensorflow()
    found = communication(load_config(find_config(arguments.config)))
    gradients, gathered, norms = found
    print(
        f"{arguments.config}: {gradients / 1e6:.1f} MB of gradients, {gathered / 1e3:.0f} kB of "
        f"features a picture, {norms} collectives of batch norms a step."
    )
    milliseconds = MEASURED[arguments.config] / arguments.faster
    counts = [1, 2, 4, 8, 16]
    print("\nStrong scaling: one global batch\n")
    print(table(found, milliseconds, {n: arguments.batch for n in counts}))
    print("\nWeak scaling: one batch a worker\n")
    print(table(found, milliseconds, {n: n * arguments.batch // 4 for n in [*counts, 64]}))


if __name__ == "__main__":
    run(main)
