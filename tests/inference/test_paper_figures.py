"""Labels of models, ranked words and heat maps: what the figures say is what the model did."""

import keras
import numpy as np
import pytest

from dmgan_tf.errors import UserError
from dmgan_tf.inference.attention_figure import save_attention_figure, words_figure
from dmgan_tf.inference.model_directory import save_model
from dmgan_tf.inference.paper_figures import folder_labels, paper_figures
from dmgan_tf.inference.text_to_image import Drawing, TextToImage
from dmgan_tf.models.generator import Generator

SIDE, GAP, LEFT, MARGIN = 192, 8, 39, 12


def tile(figure, x, y):
    """The picture in column x of row y, counted from below; each row has a heading of its own."""
    row = SIDE + 2 * MARGIN + 19 + GAP
    bottom, left = len(figure) - MARGIN - y * row, LEFT + x * (SIDE + GAP)
    return figure[bottom - SIDE : bottom, left : left + SIDE].astype(int)


@pytest.fixture
def drawing():
    """Of one refinement of a caption of three words and padding; word 1 is read on the left."""
    attention = np.zeros((1, 64, 5), np.float32)
    left = np.arange(64) % 8 < 4
    attention[0, left, 1] = 1
    attention[0, ~left, 2] = 1
    gates = np.array([0.9, 0.2, 0.5, 1, 1], np.float32).reshape(1, 5, 1)
    images = tuple(np.full((1, side, side, 3), 200, np.uint8) for side in (8, 16))
    words = (("red", "bird", "sings"),)
    gates_of_response = (np.ones((1, 8, 8, 1), np.float32),)
    return Drawing(
        images=images,
        words=words,
        attention=(attention,),
        writing_gates=(gates,),
        response_gates=gates_of_response,
    )


def test_words_are_ranked_by_gate_and_by_reading_with_the_map_of_each(drawing):
    figure = words_figure(drawing)
    assert figure.shape[1] == LEFT + 4 * SIDE + 3 * GAP + MARGIN  # three words, no padding
    for x in (0, 1):
        assert (tile(figure, 0, x) == 200).all()
    # By gate: red, which nobody reads, sings (right), bird (left); by reading: bird, sings, red.
    nowhere, right, left = (tile(figure, x, 1).mean(axis=(0, 2)) for x in (1, 2, 3))
    assert np.ptp(nowhere) == 0
    assert right[:96].max() < right[96:].min()
    assert left[96:].max() < left[:96].min()
    for x, by_gate in ((1, 3), (2, 2), (3, 1)):
        np.testing.assert_array_equal(tile(figure, x, 0), tile(figure, by_gate, 1))


def test_attention_figure_is_whole_and_the_same_again(drawing, tmp_path):
    for name in ("a", "b"):
        save_attention_figure(tmp_path / "new" / f"{name}.png", drawing)
    first, second = sorted((tmp_path / "new").iterdir())
    assert first.read_bytes() == second.read_bytes()


def test_labels_are_as_long_as_it_takes_to_tell_folders_apart(tmp_path):
    names = ("a/model", "b/model", "b/best")
    folders = [tmp_path / name for name in names]
    assert folder_labels(folders[:1]) == ["model"]
    assert folder_labels(folders[1:]) == ["model", "best"]
    assert folder_labels(folders) == list(names)
    with pytest.raises(UserError, match="is given twice"):
        folder_labels([folders[0], folders[1], tmp_path / "b" / ".." / "a" / "model"])


def test_figures_of_one_caption_and_seed_are_those_of_the_artist(saved):
    figures = dict(paper_figures([saved], ["a red bird"], 5, 7, ["comparison", "noises"]))
    images = TextToImage.from_preset(saved).generate(["a red bird"] * 7, list(range(5, 12)))
    images = images.repeat(SIDE // 32, axis=1).repeat(SIDE // 32, axis=2)
    assert set(figures) == {"comparison", "noises"}
    comparison = figures["comparison"][-MARGIN - SIDE : -MARGIN, LEFT:-MARGIN]
    np.testing.assert_allclose(comparison, images[0], atol=1)
    last_row = figures["noises"][-MARGIN - SIDE : -MARGIN, LEFT:-MARGIN]
    np.testing.assert_allclose(last_row[:, :SIDE], images[6], atol=1)
    assert (last_row[:, SIDE:] == 255).all()


def test_words_of_a_model_without_refinement_are_refused(networks, vocabulary, tmp_path):
    config = networks["generator"].get_config() | {"stages": 1, "name": "generator"}
    generator = Generator.from_config(config)
    generator.build((None, None, 6))
    single: dict[str, keras.Model] = networks | {"generator": generator}
    save_model(tmp_path / "model", single, vocabulary, "", max_words=12)
    with pytest.raises(UserError, match="`words` needs a model of two stages or more"):
        next(paper_figures([tmp_path / "model"], ["a bird"], 0, 1, ["words"]))
    ((name, _),) = paper_figures([tmp_path / "model"], ["a bird"], 0, 1, ["stages"])
    assert name == "stages"
