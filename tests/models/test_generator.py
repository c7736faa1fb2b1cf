"""Generator: oracle, independence of padding and batch-mates, switches and the authors' sizes."""

import keras
import numpy as np
import oracles
import pytest
import tensorflow as tf

from dmgan_tf.models.generator import Generator

BATCH, WORD_COUNT, WORD_SIZE, NOISE_SIZE, CONDITION_SIZE = 3, 5, 6, 3, 5
MASK = np.arange(WORD_COUNT)[None] < np.array([5, 2, 3])[:, None]
SMALL = {
    "feature_channels": 4,
    "memory_channels": 7,
    "condition_size": CONDITION_SIZE,
    "noise_size": NOISE_SIZE,
    "first_side": 8,
    "stages": 2,
    "residual_blocks": 1,
}
TABLE_3 = {
    "baseline": (False, False, False),
    "memory": (True, False, False),
    "memory and writing gate": (True, True, False),
    "memory and response gate": (True, False, True),
    "all": (True, True, True),
}


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


WORDS, SENTENCES = normal(BATCH, WORD_COUNT, WORD_SIZE), normal(BATCH, WORD_SIZE, seed=1)
NOISE = normal(BATCH, NOISE_SIZE, seed=2)
CONDITION_NOISE = normal(BATCH, CONDITION_SIZE, seed=3)
INPUTS = (WORDS, MASK, SENTENCES, NOISE, CONDITION_NOISE)


def built(**kwargs):
    """A small generator, its weights and moving statistics moved away from where they start."""
    network = Generator(**SMALL | kwargs)
    network.build((None, None, WORD_SIZE))
    rng = np.random.default_rng(4)
    for weight in network.weights:
        weight.assign(weight + rng.uniform(-0.2, 0.3, weight.shape))
    return network


@pytest.fixture(scope="module")
def network():
    return built()


def assert_close(actual, expected, tolerance=1e-5):
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


# --- oracle -------------------------------------------------------------------------------------


def norm(x, layer):
    return oracles.batch_norm_inference(x, *(w.numpy() for w in layer.weights))


def upsample(x, block):
    y = oracles.convolution(oracles.upsample_nearest(x), block.kernel.numpy())
    return oracles.glu(norm(y, block.batch_norm))


def residual(x, block):
    y = norm(oracles.convolution(x, block.conv_in.kernel.numpy()), block.batch_norm_in)
    y = oracles.convolution(oracles.glu(y), block.conv_out.kernel.numpy())
    return x + norm(y, block.batch_norm_out)


def remember(image, words, mask, memory):
    """Gated memory of one sample, joined with itself."""

    def weights(layer):
        return [w.numpy() for w in layer.weights]

    def project(layer):
        return lambda x: oracles.relu(x @ weights(layer)[0] + weights(layer)[1])

    writer, reader = memory.writer, memory.reader
    names = ("word_to_memory", "image_to_memory", "word_to_gate", "image_to_gate")
    arrays = {name: weights(getattr(writer, name)) for name in names}
    arrays |= {name: arrays[name][0] for name in names[2:]}
    slots, _ = oracles.write_memory(words, image, arrays)
    output, _ = oracles.read_memory(
        slots, image, mask, project(reader.memory_to_key), project(reader.memory_to_value)
    )
    blended, _ = oracles.respond(image, output, *weights(memory.response.gate))
    return np.concatenate([blended, blended], -1)


def test_pictures_equal_the_oracle_in_inference_mode(network):
    augmentation = [w.numpy() for w in network.conditioning_augmentation.dense.weights]
    condition, mean, log_variance = oracles.conditioning_augmentation(
        SENTENCES, *augmentation, CONDITION_NOISE
    )
    initial, stage = network.initial_stage, network.refinement_stages[0]
    x = np.concatenate([condition, NOISE], -1) @ initial.dense.kernel.numpy()
    x = oracles.glu(norm(x, initial.batch_norm)).reshape(BATCH, 4, 4, -1)
    (block,) = initial.upsample_blocks
    features = [upsample(x, block)]
    x = np.array(
        [remember(features[0][b], WORDS[b], MASK[b], stage.dynamic_memory) for b in range(BATCH)]
    )
    for block in stage.residual_blocks:
        x = residual(x, block)
    features.append(upsample(x, stage.upsample))
    output = network(*INPUTS)
    for i, image in enumerate(output.images):
        head = network.image_heads[i].kernel.numpy()
        assert_close(image, np.tanh(oracles.convolution(features[i], head)))
    assert_close(output.condition_mean, mean)
    assert_close(output.condition_log_variance, log_variance)


# --- properties ---------------------------------------------------------------------------------


def test_more_padding_changes_no_picture(network):
    words = np.where(MASK[..., None], WORDS, 9.0)
    words = np.pad(words, ((0, 0), (0, 2), (0, 0)), constant_values=-5.0).astype("float32")
    mask = np.pad(MASK, ((0, 0), (0, 2)))
    long, short = network(words, mask, *INPUTS[2:]), network(*INPUTS)
    for actual, expected in zip(long.images, short.images, strict=True):
        assert_close(actual, expected)
    assert_close(long.attention[0][..., :WORD_COUNT], short.attention[0])
    np.testing.assert_array_equal(long.attention[0][..., WORD_COUNT:], 0.0)


def test_batch_mates_change_no_picture(network):
    together = network(*INPUTS)
    for b in range(BATCH):
        alone = network(*(x[b : b + 1] for x in INPUTS))
        for ours, all_of_them in zip(alone.images, together.images, strict=True):
            assert_close(ours[0], all_of_them[b])


def test_noise_condition_and_words_each_change_the_last_picture(network):
    plain = network(*INPUTS).images[-1].numpy()
    for position in (0, 2, 3, 4):
        changed = list(INPUTS)
        changed[position] = changed[position] + 1.0
        assert np.abs(network(*changed).images[-1] - plain).max() > 1e-3


def test_words_change_only_the_refined_pictures(network):
    one, other = network(*INPUTS), network(WORDS + 1.0, *INPUTS[1:])
    np.testing.assert_array_equal(one.images[0], other.images[0])
    assert np.abs(one.images[1] - other.images[1]).max() > 1e-3


def test_pictures_stay_within_minus_one_and_one(network):
    images = network(WORDS * 100, MASK, SENTENCES * 20, NOISE * 100, CONDITION_NOISE).images
    assert all(np.abs(image).max() <= 1.0 for image in images)


def test_prior_completes_sentences_when_pictures_are_drawn_and_not_in_training():
    network = built(prior_size=1)
    completed = network.prior(SENTENCES, NOISE)
    assert np.abs(completed - SENTENCES).max() > 1e-3
    for training, sentences in ((False, completed), (True, SENTENCES)):
        _, mean, _ = network.conditioning_augmentation(sentences, CONDITION_NOISE)
        assert_close(network(*INPUTS, training=training).condition_mean, mean)


@pytest.mark.parametrize("training", [False, True])
def test_only_a_training_call_moves_the_moving_statistics(training):
    network = built()
    before = {weight.path: weight.numpy() for weight in network.weights}
    network(*INPUTS, training=training)
    changed = {w.path for w in network.weights if (w.numpy() != before[w.path]).any()}
    assert changed == ({w.path for w in network.non_trainable_weights} if training else set())


# --- switches and sizes -------------------------------------------------------------------------


@pytest.mark.parametrize(("first_side", "stages"), [(8, 3), (16, 2), (32, 1)])
def test_sides_double_from_the_first(first_side, stages):
    network = built(first_side=first_side, stages=stages, residual_blocks=0)
    output = network(*INPUTS)
    sides = tuple(first_side * 2**i for i in range(stages))
    assert network.sides == sides
    assert [image.shape for image in output.images] == [(BATCH, side, side, 3) for side in sides]
    grids = [(BATCH, side * side, WORD_COUNT) for side in sides[:-1]]
    assert [attention.shape for attention in output.attention] == grids


def ablation(row):
    memory, writing_gate, response_gate = TABLE_3[row]
    return built(memory=memory, writing_gate=writing_gate, response_gate=response_gate)


def test_rows_of_table_3_draw_different_pictures():
    outputs = {row: ablation(row)(*INPUTS) for row in TABLE_3}
    for row, output in outputs.items():
        _, writing_gate, response_gate = TABLE_3[row]
        assert (np.array(output.writing_gates[0]) == 1.0).all() != writing_gate
        assert (np.array(output.response_gates[0]) == 1.0).all() != response_gate
    last = [output.images[-1].numpy() for output in outputs.values()]
    for i, one in enumerate(last):
        for other in last[:i]:
            assert np.abs(one - other).max() > 1e-2


@pytest.mark.parametrize(
    ("dataset", "residual_blocks", "parameters"),
    [("CUB", 2, 21_449_042), ("COCO", 3, 22_335_314)],
)
def test_generator_has_the_authors_number_of_parameters(dataset, residual_blocks, parameters):
    with keras.StatelessScope(initialize_variables=False):  # shapes only: values take seconds
        network = Generator(residual_blocks=residual_blocks)
        network.build((None, None, 256))
        count = sum(weight.shape.num_elements() for weight in network.trainable_weights)
    keras.utils.clear_session()  # or Keras initialises them later
    assert count == parameters


def test_prior_sees_noise_and_sentences_whole_under_mixed_precision():
    seen = []
    generator = built(dtype="mixed_bfloat16", prior_size=2)
    generator.prior.call = lambda sentence, noise: seen.extend((sentence, noise)) or sentence
    generator(*INPUTS)
    for actual, given in zip(seen, (INPUTS[2], INPUTS[3]), strict=True):
        np.testing.assert_array_equal(actual, given)


def test_outputs_are_float32_under_mixed_precision():
    output = built(dtype="mixed_bfloat16")(*INPUTS)
    assert {x.dtype for x in tf.nest.flatten(output)} == {tf.float32}


@pytest.mark.parametrize("first_side", [4, 12, 0])
def test_first_sides_that_are_no_power_of_two_from_8_on_are_refused(first_side):
    with pytest.raises(ValueError, match=f"from 8 on. Received: first_side={first_side}"):
        Generator(**SMALL | {"first_side": first_side})


def test_generator_without_a_stage_is_refused():
    with pytest.raises(ValueError, match="`stages` must be 1 or more"):
        Generator(**SMALL | {"stages": 0})


def test_writing_gate_without_memory_is_refused():
    with pytest.raises(ValueError, match="`writing_gate` gates what is written to the memory"):
        Generator(**SMALL | {"memory": False})
