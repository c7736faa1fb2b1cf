"""How long a checkpoint stops training: `python benchmarks/checkpoint.py`.

Prints the median seconds of processor time, which other work does not lengthen, of what happens
between two steps at a config's size: the checkpoint, and the weights of the model; and, for
comparison, of only copying what the checkpoint holds.
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

    trainer, _ = random_trainer(arguments.config, 2)
    networks = (trainer.average_generator, trainer.text_encoder, trainer.image_encoder)
    owners = [trainer.generator, trainer.average_generator, *trainer.all_discriminators]
    owners += [trainer.generator_optimizer, *trainer.discriminator_optimizers]
    variables = [variable for owner in owners for variable in owner.variables]
    with tempfile.TemporaryDirectory() as directory:
        folder = CheckpointFolder(Path(directory), trainer.checkpoint(), keep=1)

        def write_model():
            for network in networks:
                network.save_weights(Path(directory) / f"{network.name}.weights.h5")

        megabytes = sum(variable.numpy().nbytes for variable in variables) / 1e6
        print(f"{arguments.config}: {megabytes:.0f} MB of weights and moments")
        print(f"checkpoint       {processor_seconds(lambda: folder.save(1)):.2f} s")
        print(f"model's weights  {processor_seconds(write_model):.2f} s")
        copy = processor_seconds(lambda: [variable.numpy().copy() for variable in variables])
        print(f"a copy alone     {copy:.2f} s")


if __name__ == "__main__":
    run(main)
