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


@keras.saving.register_keras_serializable("dmgan_tf")
class EpochDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Multiplied by one factor after every epoch, until a share of itself is left.

    AttnGAN's code lowers the encoders' rate by 0.98 an epoch to a tenth.

    Args: initial: float > 0. steps_per_epoch: int > 0. decay: float in (0, 1]. final_ratio: float
        in [0, 1], the least that is left.
    """

    def __init__(self, initial, steps_per_epoch, decay=0.98, final_ratio=0.1):
        self.initial = initial
        self.steps_per_epoch = steps_per_epoch
        self.decay = decay
        self.final_ratio = final_ratio

    def __call__(self, step):
        epoch = tf.cast(step, tf.int64) // self.steps_per_epoch
        return self.initial * tf.maximum(self.decay ** tf.cast(epoch, tf.float32), self.final_ratio)

    def get_config(self):
        return {
            "initial": self.initial,
            "steps_per_epoch": self.steps_per_epoch,
            "decay": self.decay,
            "final_ratio": self.final_ratio,
        }
