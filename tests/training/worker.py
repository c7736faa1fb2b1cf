"""One process of a cluster (or the only one): SGD steps, then its weights to an .npz file.

worker.py FILE.npz LAST [CHECKPOINTS]: goes on from the newest of a folder's checkpoints to LAST,
and leaves one there.
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from small_trainer import make_batch, make_trainer

from dmgan_tf import build
from dmgan_tf.config import Config, DataConfig
from dmgan_tf.training.checkpoints import CheckpointFolder
from dmgan_tf.training.loop import run_steps
from dmgan_tf.training.replicas import every_worker
from dmgan_tf.training.run_folder import is_chief

BATCH_SIZE = 4


def main(path, last_step, checkpoints=None):
    strategy = build.strategy(Config(data=DataConfig(source="toy_birds")))
    with strategy.scope():
        trainer = make_trainer()
    folder = CheckpointFolder(Path(checkpoints), trainer.checkpoint()) if checkpoints else None
    first_step = (folder and folder.restore_newest()) or 0
    every_worker(strategy, True)  # all have read before one writes

    def batches(context):
        share = BATCH_SIZE // context.num_input_pipelines
        begin = context.input_pipeline_id * share
        whole = [make_batch(BATCH_SIZE, seed) for seed in range(first_step, int(last_step))]
        parts = tf.nest.map_structure(lambda *x: tf.stack(x)[:, begin : begin + share], *whole)
        return tf.data.Dataset.from_tensor_slices(parts)

    run_steps(strategy, trainer, batches, first_step=first_step, last_step=int(last_step))
    if folder and is_chief():
        folder.save(int(last_step))
    networks = (trainer.generator, trainer.average_generator, *trainer.discriminators)
    np.savez(path, **{v.path.replace("/", "."): v.numpy() for n in networks for v in n.variables})


if __name__ == "__main__":
    main(*sys.argv[1:])
