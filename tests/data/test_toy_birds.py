"""The toy birds: truthful captions, reproducible pictures, and a judge that reads their colours."""

import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from dmgan_tf.data.toy_birds import (
    COLORS,
    PARTS,
    Bird,
    all_species,
    birds,
    draw,
    draw_all,
    draw_surroundings,
    judge_colors,
    named_share,
)

PLACES = {  # words that only captions of these surroundings have
    "sky": ("wire", "sky"),
    "grass": ("grass", "meadow", "field"),
    "water": ("water", "lake"),
    "snow": ("snow", "snowy", "winter"),
    "branch": ("branch", "leaves", "tree"),
    "sand": ("sand", "beach", "sandy"),
}


def _plumage(species) -> tuple[str, ...]:
    return tuple(getattr(species, part) for part in PARTS)


def _truth(flock: list[Bird]) -> list[dict[str, str]]:
    return [dict(zip(PARTS, _plumage(bird.species), strict=True)) for bird in flock]


def shares_of(images: np.ndarray, named: list[dict[str, str]]) -> dict[str, float]:
    return named_share(judge_colors(images).colors, named)


def _blurred(images: np.ndarray) -> np.ndarray:
    """Blur by a Gaussian of one pixel."""
    kernel = np.exp(-(np.arange(-3, 4) ** 2) / 2)
    blurred = images.astype(float)
    for axis in (1, 2):
        rolled = [np.roll(blurred, shift, axis) for shift in range(-3, 4)]
        blurred = np.tensordot(kernel / kernel.sum(), rolled, axes=1)
    return blurred.round().astype(np.uint8)


@pytest.fixture(scope="module")
def flock() -> list[Bird]:
    return birds("train", 1, seed=0) + birds("test", 2, seed=0)


@pytest.fixture(scope="module")
def images(flock) -> np.ndarray:
    return draw_all(flock, 64, processes=1)


def test_there_are_200_species_of_different_plumage():
    assert len(all_species()) == 200
    assert len({_plumage(species) for species in all_species()}) == 200


def test_wing_always_differs_from_body():
    assert all(species.wing != species.body for species in all_species())


@pytest.mark.parametrize("part", PARTS)
def test_every_color_is_equally_frequent_and_seen_in_training(part):
    shown = [getattr(species, part) for species in all_species()]
    assert {shown.count(color) for color in COLORS} == {200 // len(COLORS)}
    assert set(shown[:150]) == set(COLORS)


def test_splits_share_no_species():
    train = {bird.class_id for bird in birds("train", 1, seed=0)}
    test = {bird.class_id for bird in birds("test", 1, seed=0)}
    assert train == set(range(150))
    assert test == set(range(150, 200))


def test_a_picture_depends_only_on_seed_species_and_its_number():
    few, many = birds("test", 2, seed=3), birds("test", 5, seed=3)
    assert few[:2] == many[:2]
    assert few[2:4] == many[5:7]
    assert few != birds("test", 2, seed=4)


def test_captions_have_5_to_18_words_of_a_small_vocabulary(flock):
    sentences = [caption.text for bird in flock for caption in bird.captions]
    words = [re.findall(r"\w+", sentence) for sentence in sentences]
    assert all(re.fullmatch(r"[a-z ,]+", sentence) for sentence in sentences)
    assert all(5 <= len(sentence) <= 18 for sentence in words)
    assert 80 <= len({word for sentence in words for word in sentence}) <= 150


def test_every_bird_has_10_different_captions(flock):
    assert all(len({caption.text for caption in bird.captions}) == 10 for bird in flock)


def test_captions_name_true_colors_and_no_others(flock):
    for bird, truth in zip(flock, _truth(flock), strict=True):
        for caption in bird.captions:
            assert len(caption.named) >= 2
            assert caption.named.items() <= truth.items()
            in_text = sorted(w for w in re.findall(r"\w+", caption.text) if w in COLORS)
            assert in_text == sorted(caption.named.values())


def test_captions_know_the_surroundings_that_they_name(flock):
    for bird in flock:
        for caption in bird.captions:
            place = re.search(f"\\b({'|'.join(PLACES[bird.surroundings])})\\b", caption.text)
            assert caption.surroundings == (bird.surroundings if place else None)
    known = [caption.surroundings for bird in flock for caption in bird.captions]
    assert 0.3 < known.count(None) / len(known) < 0.8


@pytest.mark.parametrize("side", [16, 50, 64, 256])
def test_pictures_are_uint8_of_the_wanted_side(flock, side):
    image = draw(flock[0], side)
    assert image.shape == (side, side, 3)
    assert image.dtype == np.uint8


def test_drawing_twice_gives_the_same_bytes(flock, images):
    np.testing.assert_array_equal(draw_all(flock[:20], 64, processes=1), images[:20])


def test_two_processes_draw_the_same_bytes_as_one(flock, images):
    np.testing.assert_array_equal(draw_all(flock[:80], 64, processes=2), images[:80])


def test_no_birds_give_an_empty_batch():
    assert draw_all([], 64).shape == (0, 64, 64, 3)


def test_a_picture_is_the_same_at_every_side(flock, images):
    for bird, image in zip(flock[:30], images[:30], strict=True):
        halved = np.asarray(Image.fromarray(draw(bird, 128)).reduce(2), float)
        assert np.abs(halved - image).mean() < 2.5


def test_judge_reads_the_colors_of_drawn_birds(flock, images):
    shares = shares_of(images, _truth(flock))
    assert min(shares[part] for part in ("body", "wing", "belly")) >= 0.97
    assert shares["crown"] >= 0.93


def test_judge_stands_a_slight_blur(flock, images):
    assert min(shares_of(_blurred(images), _truth(flock)).values()) >= 0.93


def test_judge_stands_other_sides(flock):
    large = draw_all(flock[:40], 128, processes=1)
    assert min(shares_of(large, _truth(flock[:40])).values()) >= 0.93


def test_shuffled_captions_are_right_by_chance_only(flock, images):
    order = np.random.default_rng(0).permutation(len(flock))
    shares = shares_of(images, [_truth(flock)[i] for i in order])
    assert max(shares.values()) < 2.5 / len(COLORS)


def test_fit_is_higher_with_a_bird_than_without(flock, images):
    empty = np.stack([draw_surroundings(bird, 64) for bird in flock])
    assert judge_colors(images).fit.mean() > 2 * judge_colors(empty).fit.mean()


def test_fit_is_finite_for_plain_pictures():
    assert np.isfinite(judge_colors(np.full((1, 64, 64, 3), 128, np.uint8)).fit).all()


def test_parts_that_nobody_names_have_no_share(images):
    shares = shares_of(images[:2], [{"body": "red"}, {}])
    assert np.isnan(shares["wing"])
    assert not np.isnan(shares["body"])


def test_beak_and_tail_move_no_other_part(flock):
    bird = flock[0]
    long_tailed = replace(bird, species=replace(bird.species, tail="long"))
    short_tailed = replace(bird, species=replace(bird.species, tail="short"))
    changed = (draw(long_tailed, 64) != draw(short_tailed, 64)).any(axis=-1)
    assert not changed[:, 32:].any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: birds("val", 1, 0), "`split` must be 'train' or 'test'. Received: split='val'."),
        (lambda: birds("train", 0, 0), "`images_per_class` must be at least 1. Received"),
        (lambda: birds("train", 1, -1), "`seed` must not be negative. Received: seed=-1"),
        (lambda: draw(birds("test", 1, 0)[0], 8), "`side` must be between 16 and 256 pixels."),
        (lambda: draw_all([], 64, 0), "`processes` must be at least 1. Received: processes=0"),
        (lambda: judge_colors(np.zeros((4, 64, 64))), "`images` must have the shape"),
        (lambda: judge_colors(np.zeros((1, 64, 64, 3))), "`images` must be uint8 in 0..255."),
    ],
)
def test_wrong_arguments_are_named_in_the_error(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
