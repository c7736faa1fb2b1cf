"""What a DMGANTrainer refuses, in one line, instead of failing later without a reason."""

import re

import pytest
import tensorflow as tf
from small_trainer import FEATURES, make_batch, make_trainer

from dmgan_tf.layers.augmentation import Augmentation
from dmgan_tf.models import Discriminator, InceptionV3Encoder
from dmgan_tf.training import DMGANTrainer


@pytest.fixture(scope="module")
def usual():
    """A trainer with all that recipes add, of whose networks others are made."""
    return make_trainer(recipe=True)


def refused(usual, **changes):
    """What a trainer of the same networks is refused with."""
    names = "generator", "average_generator", "discriminators", "text_encoder", "image_encoder"
    networks = {name: getattr(usual, name) for name in names}
    maps = {name: getattr(usual, name) for name in ("feature_discriminators", "feature_maps")}
    with pytest.raises(ValueError) as caught:
        DMGANTrainer(**networks | maps | changes)
    (line,) = str(caught.value).splitlines()
    return line


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"gradient_penalty": -1}, "`gradient_penalty` must not be negative. Received: gradient_p"),
        ({"ema_decay": 1}, "`ema_decay` must lie in [0, 1). Received: ema_decay=1."),
        (
            {"discriminators": [], "feature_maps": [], "feature_discriminators": []},
            "`discriminators` and `feature_discriminators` are both empty.",
        ),
        ({"damsm_weight": -1}, "`damsm_weight` must not be negative. Received: damsm_weight=-1."),
        ({"kl_weight": float("nan")}, "`kl_weight` must not be negative. Received: kl_weight=nan."),
        ({"picture_weight": -1}, "`picture_weight` must not be negative. Received: picture_wei"),
        ({"perceptual_weight": -1}, "`perceptual_weight` must not be negative. Received: percept"),
        (
            {"perceptual_weight": 2, "feature_maps": [], "feature_discriminators": []},
            "`perceptual_weight` needs `feature_maps`, in which it compares pictures. Received: pe",
        ),
        ({"augmentation": Augmentation(1.5)}, "`translation` must lie in [0, 0.5). Received: tra"),
        ({"damsm_augmentation": [-1]}, "`translation` must lie in [0, 0.5). Received: translation"),
        ({"feature_maps": [9]}, "`feature_maps` must be numbers from 1 to 5, the image encoder's "),
        ({"feature_maps": [0]}, "`feature_maps` must be numbers from 1 to 5, the image encoder's "),
        ({"feature_maps": [2, 3]}, "`feature_maps` must name a map for each of `feature_discrim"),
        ({"feature_maps": []}, "`feature_maps` must name a map for each of `feature_discriminator"),
    ],
)
def test_argument_out_of_its_range_is_refused(changes, told, usual):
    assert refused(usual, **changes).startswith(told)


def test_discriminators_that_the_losses_could_not_tell_apart_are_refused(usual):
    first, *others = usual.discriminators
    line = refused(usual, discriminators=[first, *others, Discriminator(first.side, 2)])
    assert line.startswith("Discriminators need names that differ behind `discriminator_`")
    assert line.endswith(f"Received twice: {first.side}.")


def test_discriminator_of_a_side_that_is_never_drawn_is_refused(usual):
    line = refused(usual, discriminators=[Discriminator(128, 2)])
    sides = ", ".join(map(str, usual.generator.sides))
    assert line == (
        f"`discriminators` must have sides of the generator's pictures, {sides}. "
        "Received: a side of 128."
    )


def test_optimizers_that_are_too_few_are_named(usual):
    with pytest.raises(ValueError) as caught:
        usual.compile(usual.generator_optimizer, usual.discriminator_optimizers[1:])
    count = len(usual.all_discriminators)
    assert f"must be {count}, one for each of discriminator_" in str(caught.value)
    assert str(caught.value).endswith(f"Received: {count - 1}.")


def test_encoder_without_maps_is_refused_where_they_are_judged(usual):
    line = refused(usual, image_encoder=InceptionV3Encoder(FEATURES))
    assert line == (
        "`feature_discriminators` need an `image_encoder` with maps, such as CompactEncoder or "
        "EfficientNetLite0Encoder. Received: InceptionV3Encoder."
    )


@pytest.mark.parametrize("compiled", [False, True])
def test_batch_without_noise_that_is_wanted_is_told(compiled, usual):
    batch = make_batch()
    del batch["augmentation_noise"]
    told = "An augmentation needs `augmentation_noise` in the batch. Received"
    step = tf.function(usual.train_step) if compiled else usual.train_step
    with pytest.raises(ValueError, match=re.escape(told)):
        step(batch)
