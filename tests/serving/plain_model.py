"""A model that has nothing to do with pictures, as others' are: it doubles, joins, and can hang."""

import tensorflow as tf

HANG = -1  # among the numbers to double: the call never ends, and takes no processor time


class Plain(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, "number")])
    def double(self, number):
        hangs = tf.reduce_any(number == HANG)
        added = tf.ensure_shape(tf.cond(hangs, _never, lambda: tf.constant(0, tf.int64)), [])
        return {"doubled": 2 * number + added}

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.string, "words")])
    def join(self, words):
        return {"joined": tf.strings.reduce_join(words, axis=1)}


def _never():
    queue = tf.raw_ops.FIFOQueueV2(component_types=[tf.int64], shapes=[[]])
    (element,) = tf.raw_ops.QueueDequeueV2(handle=queue, component_types=[tf.int64])
    return element


def export(folder, *versions):
    """Writes versions of the model, each whole or not at all."""
    model = Plain()
    for version in versions:
        partial = folder / "partial"
        signatures = {"serving_default": model.double, "join": model.join}
        tf.saved_model.save(model, str(partial), signatures=signatures)
        partial.rename(folder / str(version))
    return folder
