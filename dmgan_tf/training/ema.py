"""Exponential moving average of a model's parameters, kept in a second model of its shape."""

import tensorflow as tf


def start_average(average, model):
    """Makes `average` equal to `model`: where the moving average begins."""
    average.set_weights(model.get_weights())


def update_average(average, model, decay, step, warm_up=False):
    """Moves the average's parameters towards the model's; batch-norm statistics are copied.

    average ← d·average + (1 − d)·model,  d = `decay`, or min(decay, (1 + step)/(10 + step)) while
    warming up, so that a short run's average is not its own beginning.

    Args: average, model: two models of one shape. decay: float in [0, 1). step: int scalar,
        updates of the model so far, this one among them. warm_up: bool.
    """
    if warm_up:
        step = tf.cast(step, tf.float32)
        decay = tf.minimum(decay, (1.0 + step) / (10.0 + step))
    # Whether a variable learns is the model's to say: the average's own are frozen.
    for slow, fast in zip(average.weights, model.weights, strict=True):
        slow.assign(slow + (fast - slow) * (1.0 - decay) if fast.trainable else fast)
