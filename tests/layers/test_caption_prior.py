"""What captions leave open, taken from pictures and drawn from noise."""

import numpy as np
import pytest
from scipy.stats import norm

from dmgan_tf.layers.caption_prior import CaptionPrior, _log_density, _normal_distribution

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
        m = np.searchsorted(np.cumsum(shares / shares.sum()), norm.cdf(z[0]))
        e = means[m] + s @ shift + np.exp(log_deviations[m].clip(-3, 2)) * z[1:3]
        expected = s + prior.directions.numpy() @ (prior.deviations.numpy() * e)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_density_integrates_to_1(prior, pairs):
    axis = np.linspace(-6, 6, 400)
    grid = np.stack(np.meshgrid(axis, axis), axis=2).reshape(-1, 2).astype(np.float32)
    sentence = np.repeat(pairs.sentences[~pairs.named][:1], len(grid), axis=0)
    logs = _log_density(grid, sentence, prior.density)
    density = np.exp(logs).sum() * (axis[1] - axis[0]) ** 2
    assert density == pytest.approx(1, abs=0.03)


def test_first_noise_value_alone_decides_on_the_kind(prior, pairs):
    some = noise()
    other = np.concatenate([some[:, :1], noise(2)[:, 1:]], axis=1)
    drawn, again = (kinds(prior(pairs.sentences, values)) for values in (some, other))
    assert (drawn == again).mean() > 0.98
    assert (drawn != kinds(prior(pairs.sentences, noise(3)))).mean() > 0.2


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
    found = np.mean(_log_density(e, sentences[200:], layer.density))
    plain = np.mean(norm.logpdf(e, scale=e.std(axis=0)).sum(axis=1))
    assert found > plain - 0.8


def test_several_captions_of_a_picture_are_learned_from(pairs):
    other = pairs.sentences - np.eye(FEATURES, dtype=np.float32)[5] * 0.5  # worded otherwise
    layer = CaptionPrior(2)
    layer.adapt(pairs.image_codes, np.stack([pairs.sentences, other], axis=1))
    for sentences in (pairs.sentences, other):
        drawn = kinds(layer(sentences, noise()))
        assert (drawn == pairs.kind)[pairs.named].mean() > 0.99


def test_learning_again_gives_the_same(prior, pairs):
    again = CaptionPrior(2)
    again.adapt(pairs.image_codes, pairs.sentences)
    for one, other in zip(prior.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_captions_that_tell_all_are_refused(pairs):
    told = r"^what captions leave open in 3,000 pictures has fewer than 2 directions; ask for fewer"
    with pytest.raises(ValueError, match=told):
        CaptionPrior(2).adapt(pairs.sentences @ np.ones((6, 6)), pairs.sentences)
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
