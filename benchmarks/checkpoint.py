"""How long a checkpoint stops training, and its writing takes: `python benchmarks/checkpoint.py`.

Prints the median seconds of processor time (which other work does not lengthen) of a config:
the snapshot, for which the step waits, and what is written from it in a thread.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from random_model import random_trainer

from dmgan_tf.command_line import import_tensorflow, run

_TIMES = 3


def processor_seconds(function):
    """The median of some calls."""
    taken = []
    for _ in range(_TIMES):
        begin = time.process_time()
        function()
        taken.append(time.process_time() - begin)
    return statistics.median(taken)


def main():
    """Prints a line of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="cub.yaml")
    arguments = parser.parse_args()
    import_tensorflow()
    from dmgan_tf.training.checkpoints import CheckpointFolder
    from dmgan_tf.training.snapshot import NetworkCopies

    trainer, _ = random_trainer(arguments.config, 2)
    networks = (trainer.average_generator, trainer.text_encoder, trainer.image_encoder)
    copies = NetworkCopies(average_generator=trainer.average_generator)
    with tempfile.TemporaryDirectory() as directory:
        folder = CheckpointFolder(Path(directory), trainer.checkpoint(), keep=1)
        snapshot, of_networks = folder.snapshot(), copies.snapshot()

        def write_model():
            copies.assign(of_networks)
            for network in networks:
                network.save_weights(Path(directory) / f"{network.name}.weights.h5")

        megabytes = sum(value.numpy().nbytes for value in snapshot.values()) / 1e6
        print(f"{arguments.config}: {megabytes:.0f} MB of weights and moments")
        stopped = processor_seconds(lambda: (folder.snapshot(), copies.snapshot()))
        print(f"the step waits      {stopped:.2f} s")
        print(f"written: checkpoint {processor_seconds(lambda: folder.save(1, snapshot)):.2f} s")
        print(f"written: model      {processor_seconds(write_model):.2f} s")


if __name__ == "__main__":
    run(main)
