"""The paper's Figures 3 to 6 from trained models."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from dmgan_tf.errors import UserError
from dmgan_tf.inference.attention_figure import words_figure
from dmgan_tf.inference.labelled_grid import labelled_grid
from dmgan_tf.inference.text_to_image import TextToImage

_NOISES_A_ROW = 6


def paper_figures(
    folders: Sequence[Path],
    captions: Sequence[str],
    seed: int,
    noises: int,
    names: Collection[str],
) -> Iterator[tuple[str, np.ndarray]]:
    """Draws figures, one after the other.

    Every caption is drawn with `seed`, the first also with the seeds that follow, as `generate`
    draws it.

    Args: folders: of runs or models; all figures but the comparison are of the first. noises: how
        many pictures of the first caption. names: of `comparison`, `stages`, `noises`, `words`.
    Yields: (name, picture uint8 [height, width, 3]).
    Raises: UserError: when a model can't be loaded, or a caption or figure not be drawn with it.
    """
    labels = folder_labels(folders)
    artist = TextToImage.from_preset(folders[0])
    if "words" in names and len(artist.generator.sides) == 1:
        raise UserError(f"{folders[0]}: the figure `words` needs a model of two stages or more.")
    count = noises if "noises" in names else 0
    # One call for all: unknown words are warned of once.
    drawn = [*captions, *[captions[0]] * count]
    seeds = [*[seed] * len(captions), *range(seed, seed + count)]
    drawing = artist.draw(drawn, seeds, progress=len(drawn) > 32)
    images = [stage[: len(captions)] for stage in drawing.images]
    if "comparison" in names:
        rows = {labels[0]: images[-1]}
        for label, folder in zip(labels[1:], folders[1:], strict=True):
            rows[label] = TextToImage.from_preset(folder).generate(captions, seed)
        yield "comparison", comparison_figure(rows, captions)
    if "stages" in names:
        yield "stages", stages_figure(images, captions)
    if "noises" in names:
        yield "noises", noises_figure(drawing.images[-1][len(captions) :], captions[0], seed)
    if "words" in names:
        yield "words", words_figure(drawing)


def comparison_figure(pictures: Mapping[str, np.ndarray], captions: Sequence[str]) -> np.ndarray:
    """Figure 3: a row per model, a column per caption; pictures: uint8 [B, side, side, 3] each."""
    return labelled_grid(list(pictures.values()), list(pictures), captions)


def stages_figure(images: Sequence[np.ndarray], captions: Sequence[str]) -> np.ndarray:
    """Figure 4: a row per stage, a column per caption; images: as `Drawing.images`."""
    sides = [stage.shape[1] for stage in images]
    return labelled_grid(images, [f"{side} × {side}" for side in sides], captions)


def noises_figure(images: np.ndarray, caption: str, seed: int) -> np.ndarray:
    """Figure 5: one caption, drawn with the noise of `seed` and of those that follow."""
    starts = range(0, len(images), _NOISES_A_ROW)
    rows = [images[start : start + _NOISES_A_ROW] for start in starts]
    labels = []
    for start, row in zip(starts, rows, strict=True):
        first, last = seed + start, seed + start + len(row) - 1
        labels.append(f"seed {first}" if first == last else f"seeds {first} to {last}")
    return labelled_grid(rows, labels, title=caption)


def folder_labels(folders: Sequence[Path]) -> list[str]:
    """Names of folders, with as many of their parents as it takes to tell them apart.

    Raises: UserError: when one is given twice.
    """
    parts = [folder.resolve().parts for folder in folders]
    if len(set(parts)) < len(parts):
        twice = next(folder for i, folder in enumerate(folders) if parts[i] in parts[:i])
        raise UserError(f"{twice}: is given twice; each model to compare must be another.")
    for count in range(1, max(map(len, parts)) + 1):
        labels = ["/".join(part[-count:]) for part in parts]
        if len(set(labels)) == len(labels):
            break
    return labels
