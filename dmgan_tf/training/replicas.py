"""What a replica needs of the others: global means, and the other replicas' features."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf


def _context():
    return tf.distribute.get_replica_context()


def replica_count():
    """Replicas in sync, over all workers."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def replica_id():
    """This replica's place among all, an int32 scalar or a Python int."""
    return _context().replica_id_in_sync_group


def global_mean(values):
    """This replica's share of the mean over the global batch: adds up to it over the replicas.

    Args: values: float [B], one per local sample. Returns: float scalar.
    """
    return tf.reduce_mean(values) / replica_count()


def global_share(condition):
    """This replica's part of how often a condition, bool [B], holds in the global batch."""
    return global_mean(tf.cast(condition, tf.float32))


def all_reduce_sum(values):
    """The sums over all replicas of a structure of tensors; itself where there is one replica."""
    if replica_count() == 1:
        return values
    return _context().all_reduce(tf.distribute.ReduceOp.SUM, values)


def gather_global(x):
    """Concatenates x [B, ...] of all replicas in their order; the gradient reaches the local part.

    A loss of the gathered batch, computed alike on each replica, then gives gradients whose *sum*
    over the replicas, as the optimizer takes it, is that of one replica with the whole batch.
    """
    count = replica_count()
    if count == 1:
        return x
    if x.dtype.is_bool:  # collectives know no bool
        return tf.cast(gather_global(tf.cast(x, tf.int32)), tf.bool)
    total = x.shape[0] and count * x.shape[0]
    gathered = _context().all_gather(tf.stop_gradient(x), axis=0)
    gathered = tf.ensure_shape(gathered, [total, *x.shape[1:]])
    if not x.dtype.is_floating:
        return gathered
    # Adds an exact zero with the local gradient, in the local rows alone.
    local = x - tf.stop_gradient(x)
    here = tf.cast(tf.range(count) == replica_id(), x.dtype)
    spread = tf.reshape(here, [count] + [1] * len(x.shape)) * local[tf.newaxis]
    return gathered + tf.reshape(spread, tf.shape(gathered))


def following_rows(x):
    """For each row the one that follows in the global batch; nothing learns through it.

    Args: x: float [B, D]. Returns: rows [B, D], and weights [B] of a global mean over all but the
        last row, which has none behind it.
    """
    everyone = tf.stop_gradient(gather_global(x))
    local, total = tf.shape(x)[0], tf.shape(everyone)[0]
    following = replica_id() * local + tf.range(local) + 1
    pairs = tf.cast(tf.maximum(total - 1, 1), tf.float32)
    weight = tf.cast(following < total, tf.float32) * tf.cast(total, tf.float32) / pairs
    return tf.gather(everyone, following % total), weight


def map_batch(
    strategy: tf.distribute.Strategy,
    function: Callable[..., tf.Tensor | tuple[tf.Tensor, ...]],
    arrays: Sequence[np.ndarray],
    batch_size: int,
):
    """`function` of arrays [B, …], a share on each of this machine's replicas, joined in order.

    Args: function: of tensors [b, …] to one or several tensors [b, …]. batch_size: at least B;
        shorter batches are filled up, so that the function always meets the same shapes.
    """
    count, rows = strategy.num_replicas_in_sync, len(arrays[0])
    share = -(-batch_size // count)
    missing = count * share - rows
    shares = []
    for array in arrays:
        filled = np.concatenate([array, np.repeat(array[-1:], missing, axis=0)])
        parts = tuple(tf.constant(part) for part in np.split(filled, count))
        shares.append(
            strategy.experimental_distribute_values_from_function(
                lambda context, parts=parts: parts[context.replica_id_in_sync_group]
            )
        )
    result = strategy.run(function, args=shares)

    def join(value):
        local = strategy.experimental_local_results(value)
        return np.concatenate([part.numpy() for part in local])[:rows]

    return tf.nest.map_structure(join, result)


def several_workers(strategy: tf.distribute.Strategy) -> bool:
    """Whether more than one process trains."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def every_worker(strategy: tf.distribute.Strategy, condition: bool) -> bool:
    """Whether the condition holds on all workers, which wait for each other here."""
    if not several_workers(strategy):
        return condition
    votes = strategy.run(lambda: tf.constant(float(condition)))
    total = strategy.reduce(tf.distribute.ReduceOp.SUM, votes, axis=None)
    return int(total) == strategy.num_replicas_in_sync


def take_from_first_replica(strategy: tf.distribute.Strategy, variables: list) -> None:
    """Gives variables, float32, the values that the first replica of all workers holds."""

    @tf.function
    def values():
        place = tf.distribute.get_replica_context().replica_id_in_sync_group
        return [tf.convert_to_tensor(v) * tf.cast(place == 0, tf.float32) for v in variables]

    for variable, value in zip(variables, strategy.run(values), strict=True):
        variable.assign(strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None))


def apply_gradients(optimizer, gradients, variables):
    """Applies gradients that the optimizer adds up over the replicas.

    Keras' loss scaling looks for overflows before it adds up, on one replica alone; then the sum is
    taken here first, and shared out again because the optimizer will add it up once more.
    """
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer) and replica_count() > 1:
        gradients = [g / replica_count() for g in all_reduce_sum(list(gradients))]
    optimizer.apply_gradients(zip(gradients, variables, strict=True))


def apply_clipped(optimizer, gradients, variables, clipped_variables, clip_norm):
    """Applies gradients, those of `clipped_variables` clipped by their *global* joint norm.

    Keras clips before it adds up over the replicas, so the sum is taken here, and shared out again
    because the optimizer will add it up once more.
    """
    gradients = all_reduce_sum([tf.convert_to_tensor(g) for g in gradients])
    chosen = {id(v) for v in clipped_variables}
    places = [i for i, v in enumerate(variables) if id(v) in chosen]
    clipped, _ = tf.clip_by_global_norm([gradients[i] for i in places], clip_norm)
    for i, gradient in zip(places, clipped, strict=True):
        gradients[i] = gradient
    optimizer.apply_gradients(
        [(g / replica_count(), v) for g, v in zip(gradients, variables, strict=True)]
    )
