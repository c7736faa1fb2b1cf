"""What the memory did with one caption, as in Figure 6 of the paper: gates, and who is read."""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dmgan_tf.inference.image_grid import enlarge, save_picture
from dmgan_tf.inference.labelled_grid import labelled_grid, shown_side
from dmgan_tf.inference.text_to_image import Drawing

_TOP_WORDS = 5
_HEAT, _FAINTNESS = 0.75, 0.35  # of a heat map's colours; of the picture below them


class _Refinement(NamedTuple):
    """What one refinement made of a caption's words."""

    picture: np.ndarray  # uint8 [side, side, 3], what it began with
    maps: np.ndarray  # [words, side, side], attention
    gates: np.ndarray  # [words], writing gate
    read: np.ndarray  # [words], share of key addressing: mean attention over the pixels


def save_attention_figure(path: Path, drawing: Drawing, row: int = 0) -> None:
    """Draws a block per refinement: the picture it began with; per word a heat map and two bars.

    The bars are the word's writing gate and its share of key addressing (mean attention over the
    pixels); the five words that are read most stand in bold.

    Args: path: PNG file. drawing: of `TextToImage.draw`. row: which caption of it.
    """
    words, refinements = drawing.words[row], _refinements(drawing, row)
    columns = len(words) + 1
    figure = _figure(1.15 * columns, 3.4 * len(refinements))
    axes = figure.subplots(
        2 * len(refinements),
        columns,
        gridspec_kw={"height_ratios": [1, 0.8] * len(refinements)},
        squeeze=False,
    )
    for axis in axes.flat:
        axis.set_axis_off()
    for refinement, maps, bars in zip(refinements, axes[::2], axes[1::2], strict=True):
        maps[0].imshow(refinement.picture)
        maps[0].set_title(f"refined from {len(refinement.picture)} px", fontsize=8)
        top = _ranked(refinement.read)
        for j, word in enumerate(words):
            maps[j + 1].imshow(_heat_map(refinement, j))
            maps[j + 1].set_title(word, fontsize=8, weight="bold" if j in top else "normal")
            _bars(bars[j + 1], refinement.gates[j], refinement.read[j])
        for y, label in ((1, "writing gate"), (0, "read share")):
            bars[0].text(1.0, y, label, fontsize=8, ha="right", va="center")
        bars[0].set_ylim(-0.6, 1.6)
    save_picture(path, _rendered(figure))


def words_figure(drawing: Drawing, row: int = 0) -> np.ndarray:
    """Draws, per refinement, the five words written most and the five read most.

    They are ranked by writing gate and by share of key addressing, each with its number and with
    the heat map of where it is read.

    Args: drawing: of `TextToImage.draw`. row: which caption of it.
    Returns: uint8 [height, width, 3].
    """
    words, refinements = drawing.words[row], _refinements(drawing, row)
    side = shown_side([len(refinement.picture) for refinement in refinements])
    pages: list[np.ndarray] = []
    for refinement in refinements:
        rankings = {"writing gate": refinement.gates, "key addressing": refinement.read}
        for label, values in rankings.items():
            top = _ranked(values)
            tiles = [refinement.picture, *(_heat_map(refinement, j) for j in top)]
            start = len(refinement.picture)
            labels = [
                f"refined from {start} × {start}",
                *(f"{words[j]}  {values[j]:.2f}" for j in top),
            ]
            title = "" if pages else " ".join(words)
            pages.append(labelled_grid([enlarge(np.stack(tiles), side)], [label], labels, title))
    return np.concatenate(pages)


def _refinements(drawing, row):
    """A _Refinement each, without the padding."""
    count = len(drawing.words[row])
    found = []
    for images, attention, gates in zip(
        drawing.images, drawing.attention, drawing.writing_gates, strict=False
    ):
        weights = attention[row, :, :count]  # [side², words]
        side = math.isqrt(len(weights))
        maps = weights.T.reshape(count, side, side)
        found.append(_Refinement(images[row], maps, gates[row, :count, 0], weights.mean(axis=0)))
    return found


def _ranked(values):
    """Places of the five largest, the largest first; equals in the order of the caption."""
    return [int(j) for j in np.argsort(-values, kind="stable")[:_TOP_WORDS]]


def _heat_map(refinement, word):
    """Where a word is read, over the picture: uint8; one scale for all words of a refinement."""
    from matplotlib import colormaps

    share = refinement.maps[word] / refinement.maps.max()
    heat = 255 * colormaps["magma"](share)[..., :3]
    faint = 255 - _FAINTNESS * (255 - refinement.picture.astype(np.float64))
    return np.rint(_HEAT * heat + (1 - _HEAT) * faint).astype(np.uint8)


def _bars(axis, gate, read):
    axis.barh([1, 0], [gate, read], height=0.55, color=["tab:blue", "tab:orange"])
    for y, value in ((1, gate), (0, read)):
        axis.text(value + 0.03, y, f"{value:.2f}", fontsize=6.5, va="center")
    axis.set_xlim(0, 1.35)
    axis.set_ylim(-0.6, 1.6)


def _figure(width, height):
    # Not through pyplot, which keeps figures and would want a display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _rendered(figure):
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3]
