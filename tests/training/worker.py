"""One process of a cluster (or the only one): SGD steps, then its weights to an .npz file.

worker.py FILE.npz LAST [CHECKPOINTS]: goes on from the newest of a folder's checkpoints to LAST,
and leaves one there after every step; stops and ends as the command lines do.
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from small_trainer import make_batch, make_trainer

from dmgan_tf import build
from dmgan_tf.chief import is_chief
from dmgan_tf.command_line import run
from dmgan_tf.config import Config, DataConfig
from dmgan_tf.errors import Interrupted
from dmgan_tf.training.callbacks import Checkpoints
from dmgan_tf.training.checkpoints import CheckpointFolder
from dmgan_tf.training.cluster import lost_workers_told
from dmgan_tf.training.loop import run_steps

BATCH_SIZE = 4


def main(path, last_step, checkpoints=None):
    strategy = build.strategy(Config(data=DataConfig(source="toy_birds")))
    with strategy.scope():
        trainer = make_trainer()
    folder = checkpoints and CheckpointFolder(Path(checkpoints), trainer.checkpoint(), keep=100)
    first_step = (folder and folder.restore_newest()) or 0
    print("from", first_step, flush=True)

    def save(step):
        if folder and is_chief():
            folder.save(step)

    def batches(context):
        share = BATCH_SIZE // context.num_input_pipelines
        begin = context.input_pipeline_id * share
        whole = [make_batch(BATCH_SIZE, seed) for seed in range(first_step, last_step)]
        parts = tf.nest.map_structure(lambda *x: tf.stack(x)[:, begin : begin + share], *whole)
        return tf.data.Dataset.from_tensor_slices(parts)

    saver = Checkpoints(save, 1, last_step, strategy)
    limits = {"first_step": first_step, "last_step": last_step}
    with saver:
        run_steps(strategy, trainer, batches, **limits, callbacks=[saver])
    if saver.interrupted:
        raise Interrupted(saver.interrupted)
    networks = (trainer.generator, trainer.average_generator, *trainer.discriminators)
    np.savez(path, **{v.path.replace("/", "."): v.numpy() for n in networks for v in n.variables})


def told(path, last_step, *checkpoints):
    with lost_workers_told():
        main(path, int(last_step), *checkpoints)


if __name__ == "__main__":
    run(lambda: told(*sys.argv[1:]))
