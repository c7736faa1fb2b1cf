"""The authors' names and layout: all of them, there and back bit for bit, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from parity.reference import Pair

from dmgan_tf import build
from dmgan_tf.errors import UserError
from dmgan_tf.interop.authors_layout import load_authors, to_authors
from dmgan_tf.models.discriminator import Discriminator
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.image_encoder import CompactEncoder, InceptionV3Encoder
from dmgan_tf.models.text_encoder import TextEncoder

DATA = Path(__file__).parents[1] / "parity" / "data"
SIZE = 6
SOURCE = "bird.pth"


def generator(**kwargs):
    shape = {"feature_channels": 2, "memory_channels": 3, "condition_size": 5, "noise_size": 4}
    network = Generator(**shape, first_side=8, stages=3, residual_blocks=1, **kwargs)
    network.build((None, None, SIZE))
    return network


def discriminator(side=8):
    network = Discriminator(side, 1)
    network.build((None, side, side, 3), (None, SIZE))
    return network


def text_encoder():
    network = TextEncoder(9, 3, SIZE)
    network.build()
    return network


def image_encoder():
    network = InceptionV3Encoder(SIZE, name="image_encoder")
    network.build()
    return network


NETWORKS = {make.__name__: make for make in (generator, discriminator, text_encoder, image_encoder)}


def random_state(network, seed=0):
    """A state dict of the network's shapes, with other values."""
    rng = np.random.default_rng(seed)
    state = to_authors(network)
    return {
        name: array if array.dtype == np.int64 else rng.normal(size=array.shape).astype("float32")
        for name, array in state.items()
    }


# --- there and back -----------------------------------------------------------------------------


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_state_dict_comes_back_bit_for_bit(make):
    network = make()
    state = random_state(network)
    load_authors(network, state, SOURCE)
    found = to_authors(network)
    assert list(found) == list(state)
    for name in state:
        if not name.endswith("weight_v"):
            np.testing.assert_array_equal(found[name], state[name], err_msg=name)
            assert found[name].dtype == state[name].dtype
            assert found[name].flags.c_contiguous


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_every_weight_comes_back_bit_for_bit(make):
    network, copy = make(), make()
    load_authors(network, random_state(network), SOURCE)
    load_authors(copy, to_authors(network), SOURCE)
    for ours, theirs in zip(copy.weights, network.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy(), err_msg=ours.path)


def test_all_weights_are_assigned():
    for make in NETWORKS.values():
        network = make()
        state = {name: np.full_like(a, 7) for name, a in to_authors(network).items()}
        load_authors(network, state, SOURCE)
        assert all((weight.numpy() == 7).all() for weight in network.weights)


def test_v_of_the_spectral_norm_is_made_from_u():
    """Each pass of the authors' code makes it anew as well; what a file holds is never read."""
    network = discriminator()
    load_authors(network, random_state(network), SOURCE)
    state = to_authors(network)
    names = [name for name in state if name.endswith("weight_v")]
    assert len(names) == 2
    for name in names:
        kernel = state[name.replace("weight_v", "weight_bar")]
        v = state[name.replace("weight_v", "weight_u")] @ kernel.reshape(len(kernel), -1)
        np.testing.assert_allclose(state[name], v / np.linalg.norm(v), rtol=1e-5, atol=1e-7)


def test_batch_counters_may_be_absent_and_are_written_as_zero():
    network = generator()
    state = random_state(network)
    counters = [name for name in state if name.endswith("num_batches_tracked")]
    load_authors(network, {n: a for n, a in state.items() if n not in counters}, SOURCE)
    found = to_authors(network)
    assert len(counters) == 8  # of the first stage 2, of each refinement 3
    for name in counters:
        assert found[name].shape == () and found[name].dtype == np.int64 and found[name] == 0


# --- names and shapes ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["small", "coco"])
def test_names_shapes_and_their_order_are_the_authors(name):
    pair = Pair(DATA / name)
    networks = [
        build.text_encoder(pair.config, pair.config.text_encoder.vocabulary_size),
        build.image_encoder(pair.config),
        build.generator(pair.config),
        *build.discriminators(pair.config),
    ]
    manifest = json.loads((DATA / f"{name}.json").read_text())["manifest"]
    assert {network.name for network in networks} == set(manifest)
    for network in networks:
        found = [(key, list(array.shape)) for key, array in to_authors(network).items()]
        assert found == list(manifest[network.name].items())


def test_axes_go_where_they_belong():
    """One weight of each layout; the parity tests see that the networks compute the same."""
    drawn, judge, text = generator(), discriminator(), text_encoder()
    theirs = to_authors(drawn) | to_authors(judge) | to_authors(text)
    refinement = drawn.refinement_stages[0]
    out, inner, row, column = 3, 1, 2, 0
    kernel = refinement.upsample.kernel.numpy()
    assert (
        theirs["h_net2.upsample.1.weight"][out, inner, row, column]
        == (kernel[row, column, inner, out])
    )
    key = refinement.dynamic_memory.reader.memory_to_key.kernel.numpy()
    np.testing.assert_array_equal(theirs["h_net2.key.0.weight"], key.T[..., None])
    gate = refinement.dynamic_memory.response.gate.kernel.numpy()
    np.testing.assert_array_equal(theirs["h_net2.response_gate.0.weight"], gate.T[..., None, None])
    np.testing.assert_array_equal(theirs["encoder.weight"], text.embedding.embeddings.numpy())
    head = judge.unconditional_head.kernel.numpy().reshape(4, 4, -1)
    np.testing.assert_array_equal(
        theirs["UNCOND_DNET.outlogits.0.weight"][0], head.transpose(2, 0, 1)
    )
    # The dense layer makes [half, 4·4, C] here and [half, C, 4·4] there.
    seed = drawn.initial_stage.dense.kernel.numpy().reshape(9, 2, 16, 4)
    found = theirs["h_net1.fc.0.weight"].reshape(2, 4, 16, 9)
    np.testing.assert_array_equal(found, seed.transpose(1, 3, 2, 0))


# --- what is refused ----------------------------------------------------------------------------


def refusal(network, state):
    before = network.get_weights()
    with pytest.raises(UserError) as error:
        load_authors(network, state, SOURCE)
    for now, then in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    message = str(error.value)
    assert message.startswith(f"{SOURCE}: does not fit {network.name}: ")
    assert "\n" not in message
    return message


def test_missing_tensor_is_told_with_its_shape():
    network = generator()
    state = random_state(network)
    del state["h_net2.A.weight"]
    assert "h_net2.A.weight [1, 6] is missing." in refusal(network, state)


def test_superfluous_tensor_is_told_with_its_shape():
    network = generator()
    state = random_state(network) | {"h_net4.A.weight": np.zeros((1, 5)), "other": np.zeros(2)}
    assert "h_net4.A.weight [1, 5] and 1 more are superfluous." in refusal(network, state)


def test_tensor_of_another_shape_is_told_with_both_shapes():
    network = text_encoder()
    state = random_state(network) | {"encoder.weight": np.zeros((1, 3), "float32")}
    message = refusal(network, state)
    assert "encoder.weight [1, 3] is of another shape than here, [9, 3]." in message


def test_network_of_another_kind_is_told_by_what_is_missing_and_superfluous():
    message = refusal(generator(), random_state(discriminator()))
    assert "ca_net.fc.weight [20, 6] and 68 more are missing; " in message
    assert "img_code_s16.0.module.bias [8] and 11 more are superfluous." in message


def test_network_that_the_authors_do_not_have_is_refused():
    compact = CompactEncoder(4, name="image_encoder")
    compact.build()
    for call in (lambda: to_authors(compact), lambda: load_authors(compact, {}, SOURCE)):
        with pytest.raises(UserError, match="image_encoder: the authors have no CompactEncoder"):
            call()


def test_generator_without_the_whole_memory_is_refused():
    network = generator(writing_gate=False, response_gate=False)
    with pytest.raises(UserError, match="no generator without writing_gate and response_gate"):
        to_authors(network)


@pytest.mark.parametrize("switch", [{"prior_size": 1}, {"padding": "reflect"}])
def test_generator_that_would_draw_otherwise_there_is_refused(switch):
    with pytest.raises(UserError, match="has `prior_size: 0` and `padding: zeros`; another one"):
        to_authors(generator(**switch))
