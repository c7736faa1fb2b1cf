"""Captions to pictures: a picture depends on its caption and seed, not on its neighbours."""

import logging
import subprocess
import sys

import numpy as np
import pytest
from command_lines import environment

from dmgan_tf.errors import UserError
from dmgan_tf.inference.text_to_image import TextToImage, to_uint8

SHORT, LONG = "a red bird", "the bird with the red wings a bird with a bird"
CAPTIONS = [SHORT, LONG, "wings", "the red red bird", "bird with wings", "a", "with the", "red"]


@pytest.fixture(scope="module")
def artist(networks, vocabulary):
    return TextToImage(networks["generator"], networks["text_encoder"], vocabulary, max_words=12)


def assert_within_a_grey_level(actual, expected):
    np.testing.assert_allclose(actual.astype(int), expected.astype(int), rtol=0, atol=1)


def is_other(first, second):
    """Whether pictures differ by more than rounding may."""
    return np.abs(first.astype(int) - second.astype(int)).max() > 1


# --- what is kept ---------------------------------------------------------------------------------

PEAK_OF_SO_MANY = """
import resource, sys
from dmgan_tf import Generator, TextEncoder, TextToImage, Vocabulary
text = TextEncoder(3, 4, 6)
generator = Generator(4, 4, 3, 3, first_side=32, stages=3, residual_blocks=0)
generator.build((None, None, 6))
artist = TextToImage(generator, text, Vocabulary(["<end>", "red", "bird"]))
artist.generate(["red bird"] * int(sys.argv[1]), list(range(int(sys.argv[1]))))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_pictures_are_the_same_without_the_rest(artist):
    seeds = list(range(40))
    captions = [SHORT, LONG] * 20
    drawn = artist.draw(captions, seeds).images[-1]
    assert_within_a_grey_level(artist.generate(captions, seeds), drawn)


def test_pictures_alone_come_from_a_graph_of_pictures_alone(artist, monkeypatch):
    monkeypatch.setattr(artist, "_run", None)
    assert artist.generate(CAPTIONS).shape == (8, 32, 32, 3)
    assert [
        tensor.shape[1:] for tensor in artist._run_pictures.get_concrete_function().outputs
    ] == [(32, 32, 3)]


def test_without_a_graph_the_same_is_drawn(artist, monkeypatch):
    drawn, pictures = artist.draw(CAPTIONS), artist.generate(CAPTIONS)
    for name in ("_run", "_run_pictures"):
        monkeypatch.setattr(artist, name, None)
    monkeypatch.setattr(artist, "run_eagerly", True)
    eagerly = artist.draw(CAPTIONS)
    for one, other in zip(drawn.images, eagerly.images, strict=True):
        assert_within_a_grey_level(one, other)
    np.testing.assert_allclose(drawn.attention[0], eagerly.attention[0], atol=1e-5)
    assert_within_a_grey_level(artist.generate(CAPTIONS), pictures)


@pytest.mark.slow
def test_memory_is_flat_in_the_number_of_captions():
    def peak(count):
        """Megabytes that drawing so many pictures takes, in a process of its own."""
        line = [sys.executable, "-c", PEAK_OF_SO_MANY, str(count)]
        process = subprocess.run(
            line, env=environment(), capture_output=True, text=True, check=False
        )
        assert process.returncode == 0, process.stderr
        return int(process.stdout)

    pictures = (1024 - 64) * 128 * 128 * 3 / 2**20
    attention = (1024 - 64) * (32**2 + 64**2) * 25 * 4 / 2**20
    assert peak(1024) - peak(64) < pictures + attention / 10


# --- what a picture depends on ------------------------------------------------------------------


def test_picture_of_a_caption_is_the_same_alone_and_beside_longer_ones(artist):
    alone = artist.draw(SHORT, 5)
    together = artist.draw([LONG, SHORT, LONG], [1, 5, 2])
    for one, many in zip(alone.images, together.images, strict=True):
        assert_within_a_grey_level(many[1], one[0])
        assert is_other(many[0], many[1])


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_pictures_are_the_same_in_batches_of_every_size(artist, batch_size):
    whole = artist.generate(CAPTIONS, list(range(8)))
    parts = [
        artist.generate(CAPTIONS[i : i + batch_size], list(range(i, min(i + batch_size, 8))))
        for i in range(0, 8, batch_size)
    ]
    assert_within_a_grey_level(np.concatenate(parts), whole)


def test_more_captions_than_fit_into_a_batch_are_drawn_in_their_order(artist):
    seeds = list(range(40))
    many = artist.draw([SHORT, LONG] * 20, seeds)
    assert many.images[-1].shape == (40, 32, 32, 3)
    for i in (0, 31, 32, 39):
        assert_within_a_grey_level(many.images[-1][i], artist.generate([SHORT, LONG][i % 2], i)[0])
        assert many.words[i] == tuple([SHORT, LONG][i % 2].split())
        assert len(many.attention[0]) == 40


def test_room_for_longer_captions_changes_no_picture(artist, networks, vocabulary):
    wide = TextToImage(networks["generator"], networks["text_encoder"], vocabulary, max_words=30)
    assert_within_a_grey_level(wide.generate(CAPTIONS), artist.generate(CAPTIONS))


def test_same_seed_gives_the_same_picture_and_another_seed_another(artist):
    first, again, other = (artist.generate(SHORT, seed)[0] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert is_other(first, other)


@pytest.mark.parametrize("seed", [-1, 2**40, -(2**63)])
def test_negative_and_large_seeds_draw_pictures_of_their_own(artist, seed):
    assert is_other(artist.generate(SHORT, seed), artist.generate(SHORT, 0))


def test_one_seed_holds_for_all_captions(artist):
    np.testing.assert_array_equal(
        artist.generate([SHORT, LONG], 3), artist.generate([SHORT, LONG], [3, 3])
    )


def test_another_caption_gives_another_picture(artist):
    assert is_other(artist.generate("a red bird", 0), artist.generate("with the wings", 0))


def test_case_and_punctuation_of_a_caption_do_not_matter(artist):
    np.testing.assert_array_equal(artist.generate("A red, BIRD!"), artist.generate(SHORT))


# --- what a drawing holds -----------------------------------------------------------------------


def test_drawing_holds_every_stage_and_what_the_memory_did(artist):
    drawing = artist.draw([SHORT, LONG])
    assert [image.shape for image in drawing.images] == [(2, s, s, 3) for s in (8, 16, 32)]
    assert all(image.dtype == np.uint8 for image in drawing.images)
    assert drawing.words == (tuple(SHORT.split()), tuple(LONG.split()))
    assert [attention.shape for attention in drawing.attention] == [(2, 64, 12), (2, 256, 12)]
    for attention, gates in zip(drawing.attention, drawing.writing_gates, strict=True):
        np.testing.assert_allclose(attention.sum(axis=-1), 1, atol=1e-5)
        assert (attention[0, :, 3:] == 0).all()  # the padding of the short caption
        assert gates.shape == (2, 12, 1)
        assert ((gates >= 0) & (gates <= 1)).all()
    assert len(drawing.response_gates) == 2


def test_last_stage_is_what_generate_returns(artist):
    np.testing.assert_array_equal(artist.generate(SHORT), artist.draw(SHORT).images[-1])


def test_model_read_from_its_directory_draws_the_same(artist, directory):
    loaded = TextToImage.from_preset(directory.parent)
    np.testing.assert_array_equal(loaded.generate(CAPTIONS), artist.generate(CAPTIONS))


def test_bfloat16_draws_nearly_the_same(artist, directory):
    halved = TextToImage.from_preset(directory.parent, dtype="bfloat16")
    expected = artist.generate(CAPTIONS).astype(float)
    error = np.sqrt(np.mean((halved.generate(CAPTIONS) - expected) ** 2))
    assert 0 < error < 255 / 10 ** (38 / 20)  # not the same numbers; 38 dB


def test_another_dtype_is_refused(directory):
    with pytest.raises(ValueError, match="float32, bfloat16"):
        TextToImage.from_preset(directory.parent, dtype="float8")


def test_grey_levels_are_rounded_and_cut():
    values = np.array([-3.0, -1.0, -1 + 0.9 / 127.5, 0.0, 0.996, 1.0, 1.2])
    assert to_uint8(values).tolist() == [0, 0, 1, 128, 254, 255, 255]


# --- captions that can't be read, or not whole --------------------------------------------------


def test_unknown_words_are_left_out_with_a_warning_that_names_them(artist, caplog):
    with caplog.at_level(logging.WARNING, "dmgan_tf"):
        drawing = artist.draw("a purple red Zebra bird")
    assert drawing.words == (("a", "red", "bird"),)
    (record,) = caplog.records
    assert "purple" in record.getMessage()
    assert "zebra" in record.getMessage()
    assert "'red'" not in record.getMessage()
    np.testing.assert_array_equal(drawing.images[-1], artist.generate(SHORT))


def test_known_words_give_no_warning(artist, caplog):
    with caplog.at_level(logging.WARNING, "dmgan_tf"):
        artist.generate(SHORT)
    assert not caplog.records


def test_words_beyond_the_most_are_left_out_with_a_warning(artist, caplog):
    with caplog.at_level(logging.WARNING, "dmgan_tf"):
        drawing = artist.draw("red " * 12 + "bird")
    assert drawing.words == (("red",) * 12,)
    assert "Only the first 12 words" in caplog.text
    np.testing.assert_array_equal(drawing.images[-1], artist.generate("red " * 12))


def test_warning_repeats_only_the_beginning_of_a_long_caption(artist, caplog):
    with caplog.at_level("WARNING"):
        artist.generate("red " * 200)
    assert "'red red" in caplog.text and "…" in caplog.text
    assert caplog.text.count("red") < 30


@pytest.mark.parametrize(
    ("caption", "reason"),
    [
        ("", "it is empty"),
        ("  ", "it is empty"),
        (" …! ", "it holds no word"),
        ("purple zebra", "none of ['purple', 'zebra'] is known to this model"),
    ],
)
def test_caption_without_a_known_word_is_refused(artist, caption, reason):
    with pytest.raises(UserError) as caught:
        artist.generate([SHORT, caption])
    assert str(caught.value) == f"The caption {caption!r} can't be drawn: {reason}."


def test_seeds_of_another_number_than_captions_are_refused(artist):
    with pytest.raises(ValueError, match="Received: 2 seeds, 1 captions"):
        artist.generate(SHORT, [1, 2])
