"""One worker of a training that computes next to nothing, through the command lines' own end.

peer.py SECONDS [STEP [START]]: ends when a step takes longer, or the start longer than START;
hangs, alive, after the step of that number, or with `start` before the first one.
"""

import sys
import time

import keras
import tensorflow as tf

from dmgan_tf import build
from dmgan_tf.command_line import run
from dmgan_tf.config import Config, DataConfig
from dmgan_tf.training import step_timeout
from dmgan_tf.training.cluster import lost_workers_told
from dmgan_tf.training.loop import run_steps
from dmgan_tf.training.replicas import all_reduce_sum


class OneSum(keras.Model):
    def train_step(self, batch):
        return all_reduce_sum({"sum": tf.reduce_sum(batch)})


class Told(keras.callbacks.Callback):
    def __init__(self, last):
        super().__init__()
        self._last = last

    def on_train_begin(self, logs=None):
        if self._last == "start":
            print("going", flush=True)
            time.sleep(3600)

    def on_train_batch_end(self, batch, logs=None):
        assert logs["sum"] > 0
        if batch == 10:
            print("going", flush=True)
        time.sleep(3600 if str(batch) == self._last else 0.01)


def main(seconds, last="-1", start="3600"):
    step_timeout.START_SECONDS = float(start)
    with lost_workers_told(float(seconds)):
        strategy = build.strategy(Config(data=DataConfig(source="toy_birds")))
        with strategy.scope():
            trainer = OneSum()
        run_steps(
            strategy,
            trainer,
            lambda context: tf.data.Dataset.from_tensors(tf.ones(2)).repeat(),
            first_step=0,
            last_step=1_000_000,
            callbacks=[Told(last), step_timeout.StepTimeout(float(seconds))],
        )


if __name__ == "__main__":
    run(lambda: main(*sys.argv[1:]))
