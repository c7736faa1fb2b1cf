"""Captions to pictures, from a model directory."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from dmgan_tf.data.vocabulary import Vocabulary
from dmgan_tf.inference.folded_generator import FoldedGenerator
from dmgan_tf.inference.image_grid import to_uint8
from dmgan_tf.inference.inputs import DTYPES, encode_caption, model_inputs, with_seeds
from dmgan_tf.inference.model_directory import (
    load_metadata,
    load_network,
    load_vocabulary,
    resolve,
)
from dmgan_tf.models.generator import Generator, GeneratorOutput
from dmgan_tf.models.text_encoder import TextEncoder


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """Pictures of B captions with what the memory did; arrays as in GeneratorOutput.

    Attributes: images: a stage each, uint8 [B, side, side, 3]. words: what was read of each
        caption. attention, writing_gates, response_gates: a refinement each, float32.
    """

    images: tuple[np.ndarray, ...]
    words: tuple[tuple[str, ...], ...]
    attention: tuple[np.ndarray, ...]
    writing_gates: tuple[np.ndarray, ...]
    response_gates: tuple[np.ndarray, ...]


class TextToImage:
    """Draws captions with a trained generator.

    A picture depends on its caption and its seed alone, never on what else is in the batch.

    Args: generator: a Generator, whose weights may go on changing, or a FoldedGenerator, which is
        faster; text_encoder: its encoder; vocabulary: theirs; max_words: int > 0, words of a
        caption beyond it are left out with a warning. quiet: bool, no warnings about words.
    Attributes: run_eagerly: bool, draw without a graph, False until it is set: tracing one takes a
        second, which a few pictures never win back.
    """

    def __init__(
        self,
        generator: Generator | FoldedGenerator,
        text_encoder: TextEncoder,
        vocabulary: Vocabulary,
        max_words: int = 25,
        quiet: bool = False,
    ):
        self.generator = generator
        self.text_encoder = text_encoder
        self.vocabulary = vocabulary
        self.max_words = max_words
        self.batch_size = generator.batch_size if isinstance(generator, FoldedGenerator) else 32
        self.quiet = quiet
        signature = [
            tf.TensorSpec([None, max_words], tf.int32),
            tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([None, generator.noise_size], tf.float32),
            tf.TensorSpec([None, generator.condition_size], tf.float32),
        ]
        self.run_eagerly = False
        self._run = tf.function(self.forward, signature, autograph=False)
        self._run_pictures = tf.function(self._last_images, signature, autograph=False)

    @classmethod
    def from_preset(
        cls, preset: str | Path, portable: bool = False, dtype: str = "float32"
    ) -> "TextToImage":
        """Loads a model, which knows how many words of a caption count.

        Args: preset: folder of a run or of a model, name of a preset, hf://… or kaggle://….
            portable: draw with what every runtime has, for exports; see `FoldedGenerator`.
            dtype: of DTYPES, what the generator computes in; bfloat16 is for processors that
            have it.
        Raises: UserError: when there is no model, or a part of it is damaged or does not fit.
            ValueError: for another dtype.
        """
        if dtype not in DTYPES:
            raise ValueError(f"`dtype` must be one of {', '.join(DTYPES)}. Received: {dtype}.")
        path = resolve(preset)
        policy = "float32" if dtype == "float32" else f"mixed_{dtype}"
        generator = FoldedGenerator(load_network(path, "generator", policy), portable)
        text_encoder = load_network(path, "text_encoder")
        max_words = load_metadata(path).get("max_words", 25)
        return cls(generator, text_encoder, load_vocabulary(path), max_words)

    def generate(self, captions: str | Sequence[str], seed: int | Sequence[int] = 0) -> np.ndarray:
        """Pictures of the captions, uint8 [B, side, side, 3]; see `draw`.

        Beyond them, the memory needed is that of one batch, however many captions there are.
        """
        captions, seeds = with_seeds(captions, seed)
        side = self.generator.sides[-1]
        pictures = np.empty((len(captions), side, side, 3), np.uint8)
        for rows, inputs in self._batches(self.encode(captions), seeds):
            run = self._last_images if self.run_eagerly else self._run_pictures
            pictures[rows] = to_uint8(run(*inputs).numpy())
        return pictures

    def draw(
        self, captions: str | Sequence[str], seed: int | Sequence[int] = 0, progress: bool = False
    ) -> Drawing:
        """Pictures of every stage, attention and gates.

        Args: captions: one or many. seed: for all of them, or one each. progress: show a bar.
        Raises: UserError: when a caption is empty or none of its words is known.
        """
        captions, seeds = with_seeds(captions, seed)
        encoded = self.encode(captions)
        parts = []
        run = self.forward if self.run_eagerly else self._run
        for _, inputs in self._batches(encoded, seeds, progress):
            output = tf.nest.map_structure(lambda tensor: tensor.numpy(), run(*inputs))
            parts.append(output._replace(images=tuple(to_uint8(i) for i in output.images)))
        whole = tf.nest.map_structure(lambda *pieces: np.concatenate(pieces), *parts)
        words = self.vocabulary.words
        return Drawing(
            images=whole.images,
            words=tuple(tuple(words[i] for i in row) for row in encoded),
            attention=whole.attention,
            writing_gates=whole.writing_gates,
            response_gates=whole.response_gates,
        )

    def _batches(self, encoded, seeds, progress=False):
        """Which rows, and their inputs, one batch after the other."""
        starts = range(0, len(encoded), self.batch_size)
        for start in tqdm(starts, desc="drawing", unit="batch", disable=not progress):
            rows = slice(start, start + self.batch_size)
            yield rows, self.inputs(encoded[rows], seeds[rows]).values()

    def encode(self, captions: Sequence[str]) -> list[list[int]]:
        """Ids of each caption's known words, warned once per caption of what is left out."""
        known = {
            caption: encode_caption(caption, self.vocabulary, self.max_words, self.quiet)
            for caption in dict.fromkeys(captions)
        }
        return [known[caption] for caption in captions]

    def inputs(self, rows: Sequence[list[int]], seeds: Sequence[int]) -> dict[str, np.ndarray]:
        """The arrays that `forward` takes, of captions' ids and a seed each."""
        sizes = self.generator.noise_size, self.generator.condition_size
        return model_inputs(rows, seeds, self.max_words, sizes)

    def bounded(self, ids, lengths):
        """Words cut at `max_words`, lengths in 1 … T: what is drawn costs no more than a caption.

        Args: ids: int32 [B, T], or what stands for each word: float [B, T, N]; lengths: int32 [B].
        """
        ids = ids[:, : self.max_words]
        return ids, tf.clip_by_value(lengths, 1, tf.shape(ids)[1])

    def forward(self, ids, lengths, noise, condition_noise) -> GeneratorOutput:
        """From tokens and noise, as tensors: what `draw` and every export run.

        Without `memory_outputs`, which only training looks at: they are as large as feature maps.

        Args: ids: int32 [B, T]; lengths: int32 [B]; both are `bounded`. noise, condition_noise:
            float [B, N_z], [B, N_c].
        """
        ids, lengths = self.bounded(ids, lengths)
        words, sentence = self.text_encoder(ids, lengths)
        mask = tf.sequence_mask(lengths, tf.shape(ids)[1])
        output = self.generator(words, mask, sentence, noise, condition_noise)
        return output._replace(memory_outputs=())

    def _last_images(self, ids, lengths, noise, condition_noise):
        return self.forward(ids, lengths, noise, condition_noise).images[-1]
