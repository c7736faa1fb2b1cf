"""What the memory did with one caption, as in Figure 6 of the paper: gates, and who is read."""

import math
from pathlib import Path

import numpy as np

from dmgan_tf.inference.text_to_image import Drawing

_TOP_WORDS = 5


def save_attention_figure(path: Path, drawing: Drawing, row: int = 0) -> None:
    """Draws a block per refinement: the picture it began with; per word a heat map and two bars.

    The bars are the word's writing gate and its share of key addressing (mean attention over the
    pixels); the five words that are read most stand in bold.

    Args: path: PNG file. drawing: of `TextToImage.draw`. row: which caption of it.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    words = drawing.words[row]
    refinements, columns = len(drawing.attention), len(words) + 1
    figure, axes = plt.subplots(
        2 * refinements,
        columns,
        figsize=(1.15 * columns, 3.4 * refinements),
        gridspec_kw={"height_ratios": [1, 0.8] * refinements},
        squeeze=False,
        layout="constrained",
    )
    for axis in axes.flat:
        axis.set_axis_off()
    for i in range(refinements):
        attention = drawing.attention[i][row][:, : len(words)]  # [side², words]
        side = math.isqrt(attention.shape[0])
        maps, bars = axes[2 * i], axes[2 * i + 1]
        maps[0].imshow(drawing.images[i][row])
        maps[0].set_title(f"refined from {side} px", fontsize=8)
        read = attention.mean(axis=0)
        brightest = float(attention.max())  # one scale for all words
        top = set(np.argsort(-read)[:_TOP_WORDS])
        for j, word in enumerate(words):
            maps[j + 1].imshow(drawing.images[i][row], alpha=0.35)
            maps[j + 1].imshow(
                attention[:, j].reshape(side, side),
                cmap="magma",
                alpha=0.75,
                vmin=0.0,
                vmax=brightest,
            )
            maps[j + 1].set_title(word, fontsize=8, weight="bold" if j in top else "normal")
            _bars(bars[j + 1], float(drawing.writing_gates[i][row, j, 0]), float(read[j]))
        for y, label in ((1, "writing gate"), (0, "read share")):
            bars[0].text(1.0, y, label, fontsize=8, ha="right", va="center")
        bars[0].set_ylim(-0.6, 1.6)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    figure.savefig(partial, dpi=110, format="png")
    plt.close(figure)
    partial.replace(path)


def _bars(axis, gate, read):
    axis.barh([1, 0], [gate, read], height=0.55, color=["tab:blue", "tab:orange"])
    for y, value in ((1, gate), (0, read)):
        axis.text(value + 0.03, y, f"{value:.2f}", fontsize=6.5, va="center")
    axis.set_xlim(0, 1.35)
    axis.set_ylim(-0.6, 1.6)
