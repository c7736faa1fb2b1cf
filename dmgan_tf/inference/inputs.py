"""Captions and seeds as the arrays that every runtime takes; NumPy is all that it needs."""

import logging
import textwrap
from collections.abc import Sequence

import numpy as np

from dmgan_tf.data.tokens import tokenize
from dmgan_tf.data.vocabulary import Vocabulary
from dmgan_tf.errors import UserError
from dmgan_tf.inference.noise import seeded_noise

DTYPES = ("float32", "bfloat16")  # that pictures may be drawn in

_TOLD = 80  # characters of a caption that a warning repeats
_LOGGER = logging.getLogger(__name__)


def with_seeds(
    captions: str | Sequence[str], seed: int | Sequence[int]
) -> tuple[list[str], list[int]]:
    """Captions, one or many, and a seed each, from one for all or one each."""
    captions = [captions] if isinstance(captions, str) else list(captions)
    seeds = [seed] * len(captions) if isinstance(seed, int | np.integer) else list(seed)
    if not captions or len(seeds) != len(captions):
        raise ValueError(
            "`captions` must not be empty, `seed` be one number or one per caption. "
            f"Received: {len(seeds)} seeds, {len(captions)} captions."
        )
    return captions, seeds


def encode_caption(
    caption: str, vocabulary: Vocabulary, max_words: int, quiet: bool = False
) -> list[int]:
    """Ids of a caption's known words, at most `max_words`; what is left out is warned of.

    Raises: UserError: when the caption is empty or none of its words is known.
    """
    known, unknown = vocabulary.encode(caption)
    if not known:
        words = tokenize(caption)
        nothing = "it holds no word" if caption.strip() else "it is empty"
        reason = f"none of {words} is known to this model" if words else nothing
        raise UserError(f"The caption {caption!r} can't be drawn: {reason}.")
    if unknown and not quiet:
        _LOGGER.warning("Left out of %r, not known to this model: %s", caption, unknown)
    if len(known) > max_words and not quiet:
        told = textwrap.shorten(caption, _TOLD, placeholder=" …")
        _LOGGER.warning("Only the first %d words of %r are read.", max_words, told)
    return known[:max_words]


def model_inputs(
    rows: Sequence[list[int]], seeds: Sequence[int], max_words: int, sizes: tuple[int, int]
) -> dict[str, np.ndarray]:
    """What draws one picture per row.

    Args: rows: ids of each caption. seeds: one each. sizes: N_z and N_c.
    Returns: ids int32 [B, max_words], lengths int32 [B], noise float32 [B, N_z] and condition_noise
        float32 [B, N_c], the two parts of one stream.
    """
    ids, lengths = Vocabulary.pad(rows, max_words)
    both = seeded_noise(seeds, sum(sizes))
    noise, condition_noise = both[:, : sizes[0]], both[:, sizes[0] :]
    return {"ids": ids, "lengths": lengths, "noise": noise, "condition_noise": condition_noise}
