"""One process of a cluster (or the only one): two SGD steps, then its weights to an .npz file."""

import sys

import numpy as np
import tensorflow as tf
from small_trainer import make_batch, make_trainer

from dmgan_tf import build
from dmgan_tf.config import Config, DataConfig
from dmgan_tf.training.loop import run_steps

STEPS, BATCH_SIZE = 2, 4


def main(path):
    strategy = build.strategy(Config(data=DataConfig(source="toy_birds")))
    with strategy.scope():
        trainer = make_trainer()

    def batches(context):
        share = BATCH_SIZE // context.num_input_pipelines
        begin = context.input_pipeline_id * share
        whole = [make_batch(BATCH_SIZE, seed) for seed in range(STEPS)]
        parts = tf.nest.map_structure(lambda *x: tf.stack(x)[:, begin : begin + share], *whole)
        return tf.data.Dataset.from_tensor_slices(parts)

    run_steps(strategy, trainer, batches, first_step=0, last_step=STEPS)
    networks = (trainer.generator, trainer.average_generator, *trainer.discriminators)
    np.savez(path, **{v.path.replace("/", "."): v.numpy() for n in networks for v in n.variables})


if __name__ == "__main__":
    main(sys.argv[1])
