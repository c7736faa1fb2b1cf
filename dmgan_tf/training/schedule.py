"""The learning rate over a run."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("dmgan_tf")
class ConstantThenLinear(keras.optimizers.schedules.LearningRateSchedule):
    """Constant at first, then falling linearly to a share of itself.

    Args: initial: float > 0. steps: int > 0, length of the run. constant_ratio: float in [0, 1],
        share of the steps before the fall. final_ratio: float ≥ 0, what is left at the end.
    """

    def __init__(self, initial, steps, constant_ratio=1.0, final_ratio=1.0):
        self.initial = initial
        self.steps = steps
        self.constant_ratio = constant_ratio
        self.final_ratio = final_ratio

    def __call__(self, step):
        start = self.constant_ratio * self.steps
        length = max(self.steps - start, 1.0)
        fallen = tf.clip_by_value((tf.cast(step, tf.float32) - start) / length, 0.0, 1.0)
        return self.initial * (1.0 - fallen * (1.0 - self.final_ratio))

    def get_config(self):
        return {
            "initial": self.initial,
            "steps": self.steps,
            "constant_ratio": self.constant_ratio,
            "final_ratio": self.final_ratio,
        }
