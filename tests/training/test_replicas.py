"""A step of two replicas with half the batch each is a step of one with the whole batch."""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_trainer import make_batch, make_damsm_trainer, make_trainer

from dmgan_tf.training.adam import Adam
from dmgan_tf.training.replicas import apply_gradients, take_from_first_replica

pytestmark = pytest.mark.slow


def replica_batches(strategy, batch):
    """The batch cut into one part per replica, in order."""
    count = strategy.num_replicas_in_sync

    def part(context):
        i = context.replica_id_in_sync_group
        return tf.nest.map_structure(lambda x: tf.split(x, count)[i], batch)

    return strategy.experimental_distribute_values_from_function(part)


def two_replica_step(strategy, make, batch):
    with strategy.scope():
        trainer = make()
    scalars = strategy.run(
        tf.function(trainer.train_step), args=(replica_batches(strategy, batch),)
    )
    return trainer, {
        name: [float(v) for v in strategy.experimental_local_results(value)]
        for name, value in scalars.items()
    }


def assert_same_variables(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        # Gradients that nearly cancel show the order of summation in single elements: 4e-6 with
        # AVX2's kernels.
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=2e-5, err_msg=b.path)


@pytest.fixture(scope="module", params=[False, True], ids=["paper", "recipe"])
def both(strategy, request):
    """(two-replica trainer, its scalars, one-replica trainer, its scalars) after one step."""
    batch = make_batch(4)
    make = partial(make_trainer, recipe=request.param)
    split, split_scalars = two_replica_step(strategy, make, batch)
    whole = make()
    return split, split_scalars, whole, whole.train_step(batch)


def test_every_scalar_is_the_global_one_on_each_replica(both):
    _, split, _, whole = both
    assert split.keys() == whole.keys()
    for name, (first, second) in split.items():
        assert first == second
        np.testing.assert_allclose(first, float(whole[name]), rtol=1e-5, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("network", ["generator", "average_generator"])
def test_generator_weights_and_statistics_are_equal(both, network):
    split, _, whole, _ = both
    assert_same_variables(getattr(split, network).variables, getattr(whole, network).variables)


def test_discriminator_weights_and_singular_vectors_are_equal(both):
    split, _, whole, _ = both
    for ours, theirs in zip(split.all_discriminators, whole.all_discriminators, strict=True):
        assert_same_variables(ours.variables, theirs.variables)


def test_replicas_stay_equal_to_each_other(both, strategy):
    split, *_ = both
    for network in (split.generator, split.average_generator, *split.all_discriminators):
        for variable in network.variables:
            copies = strategy.experimental_local_results(variable.value)
            np.testing.assert_array_equal(copies[0].numpy(), copies[1].numpy(), variable.path)


@pytest.mark.parametrize("class_negatives", [False, True])
def test_damsm_step_of_two_replicas_equals_one(strategy, class_negatives):
    batch = make_batch(4)
    make = partial(make_damsm_trainer, class_negatives=class_negatives)
    split, split_scalars = two_replica_step(strategy, make, batch)
    whole = make()
    expected = whole.train_step(batch)
    for name, (first, _) in split_scalars.items():
        np.testing.assert_allclose(first, float(expected[name]), rtol=1e-5)
    assert_same_variables(split.text_encoder.variables, whole.text_encoder.variables)
    assert_same_variables(split.image_encoder.variables, whole.image_encoder.variables)


@pytest.mark.parametrize("class_negatives", [False, True])
def test_damsm_step_by_xla_equals_the_plain_one(class_negatives):
    batch = make_batch(4)
    plain, compiled = (make_damsm_trainer(class_negatives=class_negatives) for _ in range(2))
    expected = tf.function(plain.train_step)(batch)
    found = tf.function(compiled.train_step, jit_compile=True)(batch)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, err_msg=name)
    assert_same_variables(compiled.text_encoder.variables, plain.text_encoder.variables)


def adam():
    return Adam(0.1, 0.5, epsilon=1.0)  # so large that the size of a gradient counts


def scaled_sgd():
    return keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), 8.0)


@pytest.mark.parametrize(
    ("optimizer", "overflow"), [(adam, 0.0), (scaled_sgd, 0.0), (scaled_sgd, np.inf)]
)
def test_gradients_of_two_replicas_move_a_variable_as_their_sum(optimizer, overflow, strategy):
    start, parts = [1.0, -2.0], [[0.25, 3.0], [-1.0, 0.5 + overflow]]

    def moved_by(gradients):
        variable, chosen = keras.Variable(start), optimizer()
        chosen.build([variable])

        @tf.function
        def step():
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            gradient = tf.gather(tf.constant(np.float32(gradients)), replica)
            apply_gradients(chosen, [chosen.scale_loss(gradient)], [variable])

        return variable, step

    with strategy.scope():
        shared, step = moved_by(parts)
    strategy.run(step)
    whole, step = moved_by([np.sum(parts, axis=0)])
    step()
    np.testing.assert_allclose(shared.numpy(), whole.numpy(), rtol=1e-6)
    assert np.array_equal(whole.numpy(), np.float32(start)) == bool(overflow)


def test_first_replica_gives_its_values_to_all(strategy):
    with strategy.scope():
        variable = tf.Variable([0.0, 0.0], trainable=False)
    for number, copy in enumerate(strategy.experimental_local_results(variable)):
        copy.assign([number + 1.0, number + 2.0])
    take_from_first_replica(strategy, [variable])
    for copy in strategy.experimental_local_results(variable):
        np.testing.assert_array_equal(copy, [1.0, 2.0])


def test_pictures_of_one_class_are_negatives_on_request_alone():
    batch = make_batch() | {"class_ids": tf.ones([4], tf.int32)}
    alone = make_damsm_trainer().train_step(batch)
    together = make_damsm_trainer(class_negatives=True).train_step(batch)
    for name in ("damsm_sentence", "damsm_word"):
        assert float(alone[name]) == pytest.approx(0, abs=1e-6)  # nothing is left to confuse
        assert float(together[name]) > 1


def test_encoders_refuse_an_optimizer_that_scales_losses():
    with pytest.raises(ValueError, match="The encoders train in float32"):
        make_damsm_trainer(scaled_sgd)


def test_damsm_gradient_of_the_text_encoder_is_clipped_by_its_joint_norm():
    trainer = make_damsm_trainer()
    before = [v.numpy() for v in trainer.text_encoder.trainable_variables]
    trainer.train_step(make_batch(4))
    after = [v.numpy() for v in trainer.text_encoder.trainable_variables]
    step = np.sqrt(sum(np.sum((a - b) ** 2) for a, b in zip(after, before, strict=True)))
    assert step == pytest.approx(0.05 * 0.25, rel=1e-3)  # learning rate × clip norm
