"""The prior that a config asks for, of a training set and its encoders."""

import numpy as np
import pytest
from command_lines import TINY

from dmgan_tf import build
from dmgan_tf.config_file import load_config
from dmgan_tf.data.picture_set import PictureSet
from dmgan_tf.errors import UserError
from dmgan_tf.experiment.prior import adapt_prior, prior_pairs
from dmgan_tf.inference.model_directory import load_network, load_vocabulary, resolve


@pytest.fixture(scope="module")
def settings():
    return load_config(TINY[1], [])


@pytest.fixture(scope="module")
def parts(settings):
    """Pictures, vocabulary, and encoders that have not learned."""
    pictures = build.pictures(settings, "train")
    vocabulary = build.vocabulary(settings, pictures)
    trainer = build.damsm_trainer(settings, len(vocabulary), 1)
    return pictures, vocabulary, trainer.text_encoder, trainer.image_encoder


def adapted(settings, *parts):
    generator = build.generator(settings)
    adapt_prior([generator], *prior_pairs(settings, *parts))
    return generator.prior


def test_pairs_are_of_one_picture_and_its_own_captions(settings, parts):
    pictures, vocabulary, text, image = parts
    codes, sentences = prior_pairs(settings, *parts)
    assert codes.shape == (len(pictures), 8)
    assert sentences.shape == (len(pictures), 5, 8)
    for place in (0, len(pictures) - 1):
        shown = pictures.images[place : place + 1] / np.float32(127.5) - 1
        np.testing.assert_allclose(image(shown)[1][0], codes[place], rtol=1e-3, atol=1e-5)
        ids = [vocabulary.encode(caption)[0] for caption in pictures.captions[place]]
        own = text(*vocabulary.pad(ids, settings.data.max_words_evaluation))[1].numpy()
        distances = np.abs(sentences[place][:, None] - own).max(axis=2)
        assert distances.min(axis=1).max() < 1e-5
        assert len(set(distances.argmin(axis=1))) == min(5, len(own))


def test_what_it_draws_spreads_as_what_pictures_show(settings, parts):
    prior = adapted(settings, *parts)
    sentences = np.zeros([2000, 8], np.float32)
    drawn = prior(sentences, np.random.default_rng(0).normal(size=(2000, 4))).numpy()
    inner = (drawn - sentences) @ prior.directions.numpy()
    ratios = inner.std(axis=0) / prior.deviations
    assert 0.5 < ratios.min() <= ratios.max() < 2


def test_model_of_a_run_holds_the_prior_of_its_pictures(tiny_run):
    model = resolve(tiny_run)
    settings = load_config(model / "config.yaml", [])
    pictures, encoders = build.pictures(settings, "train"), ("text_encoder", "image_encoder")
    networks = [load_network(model, name) for name in encoders]
    expected = adapted(settings, pictures, load_vocabulary(model), *networks)
    held = load_network(model, "generator").prior
    assert np.abs(held.directions).max() > 0.1
    for one, other in zip(held.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_pictures_that_are_alike_are_refused_with_the_key(settings, parts):
    _, *others = parts
    caption, *_ = parts[0].captions[0]
    alike = PictureSet(
        captions=[[caption]] * 5, class_ids=np.arange(5), images=np.zeros((5, 16, 16, 3), np.uint8)
    )
    told = r"^`generator\.prior_size`: what captions leave open in .* directions; ask for fewer\.$"
    with pytest.raises(UserError, match=told):
        adapted(settings, alike, *others)
