"""What the networks see of a caption, where pictures show what it leaves open."""

import numpy as np
import pytest
from small_trainer import make_batch, make_trainer


def rest_of(prior, sentence, code):
    """U Uᵀ (κ v − A s − b), in NumPy."""
    kernel, bias, directions = (
        w.numpy() for w in (prior.guess_kernel, prior.guess_bias, prior.directions)
    )
    rest = float(prior.scale) * np.asarray(code) - np.asarray(sentence) @ kernel - bias
    return rest @ directions @ directions.T


def test_sentences_are_completed_by_what_the_own_real_picture_shows(batch):
    trainer = make_trainer(recipe=True)
    sentence = trainer.text_encoder(batch["ids"], batch["lengths"])[1].numpy()
    codes = trainer.image_encoder(batch["images"][-1])[1].numpy()
    text, prior = trainer.encode_text(batch), trainer.generator.prior
    np.testing.assert_array_equal(text.sentence_feature, sentence)
    own = sentence + rest_of(prior, sentence, codes)
    assert np.abs(own - sentence).max() > 0.05
    np.testing.assert_allclose(text.completed_sentence, own, rtol=1e-4, atol=1e-5)
    wrong = np.roll(sentence, -1, axis=0)
    expected = wrong + rest_of(prior, wrong, codes)
    np.testing.assert_allclose(text.wrong_sentence, expected, rtol=1e-4, atol=1e-5)


def test_discriminator_judges_completed_sentences():
    trainer, batch = make_trainer(recipe=True), make_batch(64)
    network, real = trainer.discriminators[0], batch["images"][0]
    text = trainer.encode_text(batch)
    far = text._replace(wrong_sentence=50 * text.wrong_sentence)  # so much that it turns decisions

    def share_below_0(wrong):
        return np.mean(network(real, wrong, training=True).conditional_logits[:-1] < 0)

    for _ in range(50):  # until power iteration no longer moves σ
        expected = share_below_0(far.wrong_sentence)
    assert expected != share_below_0(text.wrong_sentence)
    found = trainer._discriminator_step(0, real, real, far)  # the last one has no wrong sentence
    assert float(found["wrong_accuracy/8"]) == pytest.approx(expected)


def test_training_changes_no_prior_and_both_generators_have_it(batch):
    trainer = make_trainer(recipe=True)
    before = [w.copy() for w in trainer.generator.prior.get_weights()]
    trainer.train_step(batch)
    for generator in (trainer.generator, trainer.average_generator):
        for old, new in zip(before, generator.prior.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)
