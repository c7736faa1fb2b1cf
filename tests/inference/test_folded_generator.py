"""The folded generator draws what the generator draws."""

import numpy as np
import pytest
import tensorflow as tf

from dmgan_tf.inference.folded_generator import FoldedGenerator
from dmgan_tf.layers.cpu import winograd
from dmgan_tf.models.generator import Generator

SIZES = {
    "feature_channels": 4,
    "memory_channels": 6,
    "condition_size": 5,
    "noise_size": 3,
    "first_side": 8,
}
BATCH, WORDS, FEATURES = 3, 5, 7


def arguments(seed=0):
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return tf.constant(rng.normal(size=shape).astype("float32"))

    mask = tf.sequence_mask([5, 2, 1], WORDS)
    words, sentence = normal(BATCH, WORDS, FEATURES), normal(BATCH, FEATURES)
    return words, mask, sentence, normal(BATCH, 3), normal(BATCH, 5)


def trained(**changes):
    """A generator none of whose weights is where it started."""
    generator = Generator(**SIZES | changes)
    generator(*arguments())
    rng = np.random.default_rng(1)
    for variable in generator.variables:
        value = variable.numpy() + rng.normal(0, 0.1, variable.shape)
        variable.assign(np.abs(value) if "variance" in variable.path else value)
    return generator


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"stages": 1},
        {"residual_blocks": 0},
        {"prior_size": 2},
        {"padding": "reflect"},
        {"padding": "reflect", "stages": 2, "first_side": 32},
        {"residual_blocks": 1, "stages": 2, "first_side": 16},
        {"response_gate": False},
        {"memory": False, "writing_gate": False, "response_gate": False},
    ],
    ids=str,
)
def test_all_outputs_are_those_of_the_generator(changes):
    generator = trained(**changes)
    expected = tf.nest.flatten(generator(*arguments()))
    drawn = tf.nest.flatten(FoldedGenerator(generator)(*arguments()))
    assert np.abs(expected[0]).mean() > 0.05
    for ours, theirs in zip(drawn, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=5e-5)


@pytest.fixture
def winograd_everywhere(monkeypatch):
    monkeypatch.setattr(winograd, "MIN_CHANNELS", 1)
    monkeypatch.setattr(winograd, "MIN_WORK", 1)


@pytest.mark.parametrize("portable", [False, True])
def test_large_models_draw_what_their_generator_draws(portable, winograd_everywhere):
    generator = trained(stages=2)
    folded = FoldedGenerator(generator, portable)
    traced = tf.function(lambda *inputs: folded(*inputs))
    for ours, theirs in zip(
        tf.nest.flatten(traced(*arguments())), tf.nest.flatten(generator(*arguments())), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=5e-5)
    functions = traced.get_concrete_function(*arguments()).graph.as_graph_def().library.function
    compiled = [f.signature.name for f in functions if "_XlaMustCompile" in f.attr]
    assert bool(compiled) == (not portable)
    assert folded.batch_size == (32 if portable else 1)


def test_mixed_precision_is_kept():
    generator = trained(dtype="mixed_bfloat16")
    drawn = FoldedGenerator(generator)(*arguments()).images[-1]
    twin = trained()
    twin.set_weights(generator.get_weights())
    full = twin(*arguments()).images[-1]
    assert drawn.dtype == tf.float32
    assert 1e-4 < np.abs(drawn - full).mean() < 0.1  # rounded, and not by another network


def test_weights_are_those_of_the_moment():
    generator = trained()
    folded = FoldedGenerator(generator)
    before = folded(*arguments()).images[-1]
    block = generator.refinement_stages[0].residual_blocks[0]
    block.batch_norm_out.offset.assign_add(np.ones(8))
    np.testing.assert_array_equal(folded(*arguments()).images[-1], before)
    after = FoldedGenerator(generator)(*arguments()).images[-1]
    assert np.abs(after - before).max() > 1e-3


def test_variables_are_all_that_a_graph_of_it_reads():
    folded = FoldedGenerator(trained(prior_size=1))
    graph = tf.function(lambda *inputs: folded(*inputs)).get_concrete_function(*arguments())
    held = {variable.ref() for variable in folded.variables}
    assert {variable.ref() for variable in graph.variables} == held
