"""What captions leave open, taken from pictures and drawn from noise."""

import numpy as np
import pytest
from scipy.stats import norm

from dmgan_tf.layers.caption_prior import CaptionPrior, _normal_distribution
from dmgan_tf.layers.sentence_density import _far_apart, held_out, log_density

PAIRS, FEATURES = 3000, 6


class Pairs:
    """Captions of one told number and a flag; pictures of one kind of three, and small noise.

    With the flag the caption tells the kind as well; without it each kind is as likely.
    """

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.told = rng.normal(size=PAIRS)
        self.kind = rng.integers(3, size=PAIRS)
        self.named = rng.random(PAIRS) < 0.5
        shown = np.eye(3)[self.kind] * 3
        noise = 0.05 * rng.normal(size=(PAIRS, 2))
        self.image_codes = np.float32(np.hstack([self.told[:, None], shown, noise])) * 5
        sentences = [self.told[:, None], shown * self.named[:, None], noise * 0]
        self.sentences = np.float32(np.hstack(sentences)) + 0.5


def kinds(completed):
    return np.asarray(completed)[:, 1:4].argmax(axis=1)


@pytest.fixture(scope="module")
def pairs():
    return Pairs()


@pytest.fixture(scope="module")
def prior(pairs):
    layer = CaptionPrior(2)
    layer.adapt(pairs.image_codes, pairs.sentences)
    return layer


def noise(seed=1):
    return np.random.default_rng(seed).normal(size=(PAIRS, 5)).astype(np.float32)


def completed(prior, pairs):
    return pairs.sentences + prior.untold(pairs.sentences, pairs.image_codes).numpy()


def test_completed_sentence_shows_the_kind_of_its_picture(prior, pairs):
    found = completed(prior, pairs)
    np.testing.assert_array_equal(kinds(found), pairs.kind)
    np.testing.assert_allclose(found[:, 0], pairs.sentences[:, 0], atol=0.02)  # as it was told


def test_guess_and_directions_are_those_of_least_squares(prior, pairs):
    v = float(prior.scale) * pairs.image_codes
    x = np.hstack([pairs.sentences[:, :4], np.ones((PAIRS, 1))])
    rest = v - x @ np.linalg.lstsq(x, v, rcond=None)[0]
    values, vectors = np.linalg.eigh(np.cov(rest.T, bias=True))
    np.testing.assert_allclose(prior.deviations, np.sqrt(values[:-3:-1]), rtol=1e-3)
    projection = prior.directions.numpy() @ prior.directions.numpy().T
    expected = vectors[:, -2:] @ vectors[:, -2:].T
    np.testing.assert_allclose(projection, expected, atol=1e-3)


def test_pictures_count_as_long_as_sentences(prior, pairs):
    lengths = [np.linalg.norm(x, axis=1).mean() for x in (pairs.image_codes, pairs.sentences)]
    assert float(prior.scale) == pytest.approx(lengths[1] / lengths[0], rel=1e-4)


def test_what_the_caption_names_is_drawn_and_the_rest_as_often_as_in_pictures(prior):
    unseen = Pairs(seed=7)
    drawn = kinds(prior(unseen.sentences, noise()))
    assert (drawn == unseen.kind)[unseen.named].mean() > 0.99
    shares = np.bincount(drawn[~unseen.named], minlength=3) / (~unseen.named).sum()
    np.testing.assert_allclose(shares, 1 / 3, atol=0.05)


def test_drawn_kinds_are_as_pure_as_real_ones(prior, pairs):
    shown = completed(prior, pairs)
    drawn = np.asarray(prior(pairs.sentences, noise()))
    for kind in range(3):
        real = shown[(pairs.kind == kind) & ~pairs.named][:, 1:4]
        found = drawn[(kinds(drawn) == kind) & ~pairs.named][:, 1:4]
        np.testing.assert_allclose(found.mean(axis=0), real.mean(axis=0), atol=0.05)
        assert found.std(axis=0).max() < real.std(axis=0).max() + 0.2  # kinds are 2.5 apart


def test_drawn_as_the_equation_says(prior, pairs):
    kernel, bias, shift, means, log_deviations = (x.numpy() for x in prior.density)
    drawn = prior(pairs.sentences[:200], noise()[:200]).numpy()
    for s, z, found in zip(pairs.sentences, noise(), drawn, strict=False):
        shares = np.exp(s @ kernel + bias)
        shares[shares < 0.1 * shares.max()] = 0
        m = np.searchsorted(np.cumsum(shares / shares.sum()), _normal_distribution(z[0]))
        e = means[m] + s @ shift + np.exp(log_deviations[m]) * z[1:3]
        expected = s + prior.directions.numpy() @ (prior.deviations.numpy() * e)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_density_integrates_to_1(prior, pairs):
    axis = np.linspace(-6, 6, 400)
    grid = np.stack(np.meshgrid(axis, axis), axis=2).reshape(-1, 2).astype(np.float32)
    sentence = np.repeat(pairs.sentences[~pairs.named][:1], len(grid), axis=0)
    logs = log_density(grid, sentence, prior.density)
    density = np.exp(logs).sum() * (axis[1] - axis[0]) ** 2
    assert density == pytest.approx(1, abs=0.03)


def test_first_noise_value_alone_decides_on_the_kind(prior, pairs):
    some = noise()
    other = np.concatenate([some[:, :1], noise(2)[:, 1:]], axis=1)
    drawn, again = (kinds(prior(pairs.sentences, values)) for values in (some, other))
    assert (drawn == again).mean() > 0.98
    assert (drawn != kinds(prior(pairs.sentences, noise(3)))).mean() > 0.2


def test_no_noise_draws_a_kind_that_is_rare_for_its_sentence(prior, pairs):
    extreme = np.concatenate([np.linspace(-6, 6, PAIRS)[:, None], noise()[:, 1:]], axis=1)
    drawn = kinds(prior(pairs.sentences, np.float32(extreme)))
    assert (drawn == pairs.kind)[pairs.named].all()
    assert len(set(drawn[~pairs.named])) == 3


def test_uniform_noise_is_made_with_the_normal_distribution():
    x = np.linspace(-5, 5, 1001, dtype=np.float32)
    np.testing.assert_allclose(_normal_distribution(x), norm.cdf(x), atol=2e-4)


def test_sentences_that_tell_nothing_are_not_learned_by_heart():
    rng = np.random.default_rng(3)
    codes, sentences = (rng.normal(size=(2, 400, 64)) @ np.eye(64)).astype(np.float32)
    layer = CaptionPrior(2)
    layer.adapt(codes[:200], sentences[:200])
    rest = layer.untold(sentences[200:], codes[200:]).numpy() @ layer.directions.numpy()
    e = np.float32(rest / layer.deviations.numpy())
    found = np.mean(log_density(e, sentences[200:], layer.density))
    plain = np.mean(norm.logpdf(e).sum(axis=1))
    assert found > plain - 0.8


def test_every_caption_of_a_picture_is_learned_from(pairs):
    hidden, named = Pairs(), Pairs()
    hidden.sentences[:, 1:4] = 0.5
    named.sentences[:, 1:4] = np.eye(3)[named.kind] * 0.3 + 0.5  # less than r
    layer = CaptionPrior(2)
    layer.adapt(pairs.image_codes, np.stack([hidden.sentences, named.sentences], axis=1))
    assert (kinds(layer(named.sentences, noise())) == pairs.kind).mean() > 0.95
    shares = np.bincount(kinds(layer(hidden.sentences, noise())), minlength=3) / PAIRS
    np.testing.assert_allclose(shares, 1 / 3, atol=0.05)


def test_captions_of_one_picture_are_held_out_together():
    chosen = held_out(100, 5).reshape(100, 5)
    assert (chosen == chosen[:, :1]).all()
    assert chosen[:, 0].sum() == 20
    assert len(set(np.flatnonzero(chosen[:, 0]) % 5)) > 1  # kinds may stand in turns


def test_kinds_that_stand_in_turns_are_drawn_equally():
    pairs = Pairs()
    by_kind = [np.flatnonzero(pairs.kind == kind)[:900] for kind in range(3)]
    turns = np.stack(by_kind, axis=1).ravel()
    layer = CaptionPrior(2)
    layer.adapt(pairs.image_codes[turns], pairs.sentences[turns])
    unnamed = pairs.sentences[~pairs.named]
    shares = np.bincount(kinds(layer(unnamed, noise()[: len(unnamed)])), minlength=3)
    np.testing.assert_allclose(shares / len(unnamed), 1 / 3, atol=0.07)


def test_means_begin_in_every_kind_however_rare():
    x = np.repeat([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]], [900, 80, 20], axis=0)
    x = x + np.random.default_rng(0).normal(0, 0.1, x.shape)
    begun = _far_apart(x, 3, np.random.default_rng(1)).round(-1)
    assert {tuple(row) for row in begun + 0.0} == {(0.0, 0.0), (10.0, 0.0), (0.0, 10.0)}


def test_few_pictures_are_not_learned_by_heart():
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(64, 64)) / 8

    def pictures(count):
        told, open_ = rng.normal(size=(count, 64)), rng.normal(size=(count, 64))
        told[:, 16:] *= 0.1
        return np.float32((told + open_ * (np.arange(64) >= 32)) @ mixing), np.float32(told)

    layer = CaptionPrior(2)
    layer.adapt(*pictures(80))
    codes, sentences = pictures(1000)
    e = layer.untold(sentences, codes).numpy() @ layer.directions.numpy() / layer.deviations
    assert np.std(e, axis=0).max() < 1.5


def test_density_is_learned_anew_for_directions_that_stay(pairs):
    other = Pairs()
    other.sentences[:, 1:4] = np.eye(3)[other.kind] * 0.3 + 0.5  # named by less
    layer = CaptionPrior(2)
    layer.adapt(pairs.image_codes, pairs.sentences)
    before, drawn = layer.get_weights()[:5], kinds(layer(other.sentences, noise()))
    assert (drawn == other.kind).mean() < 0.9
    layer.adapt_density(other.image_codes, other.sentences)
    for one, same in zip(before, layer.get_weights(), strict=False):
        np.testing.assert_array_equal(one, same)
    assert (kinds(layer(other.sentences, noise())) == other.kind).mean() > 0.99


def test_learning_again_gives_the_same(prior, pairs):
    again = CaptionPrior(2)
    again.adapt(pairs.image_codes, pairs.sentences)
    for one, other in zip(prior.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_captions_that_tell_all_are_refused(pairs):
    told = r"^what captions leave open in 3,000 pictures has fewer than 2 directions; ask for fewer"
    with pytest.raises(ValueError, match=told):
        CaptionPrior(2).adapt(pairs.sentences @ np.ones((6, 6)), pairs.sentences)
    with pytest.raises(ValueError, match=r"it needs two pictures or more\. Received: 1\."):
        CaptionPrior(1).adapt(pairs.image_codes[:1], pairs.sentences[:1])
    with pytest.raises(ValueError, match=r"in 2 pictures has fewer than 3 directions"):
        CaptionPrior(3).adapt(pairs.image_codes[:2], pairs.sentences[:2])
    with pytest.raises(ValueError, match="fewer than 2 directions"):
        CaptionPrior(2).adapt(pairs.image_codes, 0 * pairs.sentences)
    with pytest.raises(ValueError, match="codes of pictures and captions are not finite"):
        CaptionPrior(2).adapt(np.nan * pairs.image_codes, pairs.sentences)


def test_too_little_noise_is_refused(prior, pairs):
    with pytest.raises(ValueError, match=r"needs more than 2 noise values\. Received: 2"):
        prior(pairs.sentences, noise()[:, :2])
    with pytest.raises(ValueError, match="`size` must be positive"):
        CaptionPrior(0)


def test_nothing_makes_it_trainable(prior):
    prior.trainable = True
    assert not prior.trainable_variables
