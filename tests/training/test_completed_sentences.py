"""What the networks see of a caption, where pictures show what it leaves open."""

import numpy as np
import pytest
import tensorflow as tf
from small_trainer import FEATURES, make_batch, make_trainer


def test_sentences_are_completed_by_what_real_pictures_show(batch):
    trainer = make_trainer(recipe=True)
    sentence = trainer.text_encoder(batch["ids"], batch["lengths"])[1]
    text = trainer.encode_text(batch)
    codes = trainer.image_encoder(batch["images"][-1])[1]
    untold = trainer.generator.prior.untold(sentence, codes)
    assert np.abs(untold).max() > 0.1
    np.testing.assert_array_equal(text.sentence_feature, sentence)
    np.testing.assert_allclose(text.completed, sentence + untold, rtol=1e-5)


def test_generator_completes_no_sentence_in_training(batch):
    generator = make_trainer(recipe=True).generator
    words, sentence = tf.ones([4, 3, FEATURES]), tf.random.stateless_normal([4, FEATURES], [0, 1])
    inputs = words, tf.ones([4, 3], bool), sentence, batch["noise"], batch["condition_noise"]
    means = [generator(*inputs, training=training).condition_mean for training in (True, False)]
    augment = generator.conditioning_augmentation
    completed = generator.prior(sentence, batch["noise"])
    for mean, seen in zip(means, (sentence, completed), strict=True):
        np.testing.assert_allclose(mean, augment(seen, batch["condition_noise"])[1], rtol=1e-5)
    assert not np.allclose(*means)


def test_wrong_sentences_are_completed_by_what_their_own_picture_shows():
    trainer, batch = make_trainer(recipe=True), make_batch(64)
    network, real = trainer.discriminators[0], batch["images"][0]
    text = trainer.encode_text(batch)
    text = text._replace(untold=50 * text.untold)  # so much that it turns decisions

    def share_below_0(untold):
        wrong = np.roll(text.sentence_feature, -1, axis=0) + untold
        return np.mean(network(real, wrong, training=True).conditional_logits[:-1] < 0)

    for _ in range(50):  # until power iteration no longer moves σ
        expected = share_below_0(text.untold)
    assert expected != share_below_0(np.roll(text.untold, -1, axis=0))
    found = trainer._discriminator_step(0, real, real, text)  # the last one has no wrong sentence
    assert float(found["wrong_accuracy/8"]) == pytest.approx(expected)


def test_training_changes_no_prior_and_both_generators_have_it(batch):
    trainer = make_trainer(recipe=True)
    before = [w.copy() for w in trainer.generator.prior.get_weights()]
    trainer.train_step(batch)
    for generator in (trainer.generator, trainer.average_generator):
        for old, new in zip(before, generator.prior.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)
