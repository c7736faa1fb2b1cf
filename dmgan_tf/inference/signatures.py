"""The signatures that every export has: tokens, noise and pictures inside one graph.

serving_default  caption string [B], seed int64 [B] → image_bytes string [B] (PNG), error
images           the same → image uint8 [B, side, side, 3], error
stages           the same → image_SIDE, and attention_SIDE, writing_gate_SIDE, response_gate_SIDE
                 by the side that a refinement starts from; error
tokens           ids int32 [B, T], lengths int32 [B], noise float32 [B, N_z], condition_noise
                 float32 [B, N_c] → image float32 [B, side, side, 3] in [−1, 1]; ids are cut at
                 the model's `max_words`, lengths at 1 and T
encode_text      caption string [B] → ids, lengths, word_features, sentence_feature, error

`error` string [B] is empty where a caption could be drawn. A caption without a known word spoils
its own row alone: others' requests may ride in the same batch.
"""

from collections.abc import Sequence

import tensorflow as tf

from dmgan_tf.inference.graph_noise import seeded_noise_in_graph
from dmgan_tf.inference.graph_text import GraphVocabulary
from dmgan_tf.inference.text_to_image import TextToImage
from dmgan_tf.models.generator import GeneratorOutput

NOTHING_KNOWN = "The caption can't be drawn: it is empty, or this model knows none of its words."


class Signatures(tf.Module):
    """A text-to-image model as functions of a SavedModel; see the module's table."""

    def __init__(self, artist: TextToImage):  # a portable one of `TextToImage.from_preset`
        super().__init__()
        self._artist = artist
        self._vocabulary = GraphVocabulary(artist.vocabulary)
        # The variables, not the networks: Keras would add a signature of its own for each.
        encoder = [v.value for v in artist.text_encoder.variables]
        self._weights = [*artist.generator.variables, *encoder]
        self._sizes = {
            "noise": artist.generator.noise_size,
            "condition_noise": artist.generator.condition_size,
        }

    def functions(self) -> dict:
        """The signatures by name, traced."""
        captions = tf.TensorSpec([None], tf.string, "caption")
        seeds = tf.TensorSpec([None], tf.int64, "seed")
        tokens = [
            tf.TensorSpec([None, None], tf.int32, "ids"),
            tf.TensorSpec([None], tf.int32, "lengths"),
            *(tf.TensorSpec([None, n], tf.float32, name) for name, n in self._sizes.items()),
        ]
        specs = {
            "serving_default": (self._png, [captions, seeds]),
            "images": (self._images, [captions, seeds]),
            "stages": (self._stages, [captions, seeds]),
            "tokens": (self._tokens, tokens),
            "encode_text": (self._encode_text, [captions]),
        }
        return {
            name: tf.function(call, autograph=False).get_concrete_function(*spec)
            for name, (call, spec) in specs.items()
        }

    def _png(self, caption, seed):
        output, error = self._draw(caption, seed)
        png = tf.map_fn(
            tf.io.encode_png, to_uint8(output.images[-1]), fn_output_signature=tf.string
        )
        return {"image_bytes": tf.where(error == "", png, ""), "error": error}

    def _images(self, caption, seed):
        output, error = self._draw(caption, seed)
        return {"image": to_uint8(output.images[-1]), "error": error}

    def _stages(self, caption, seed):
        output, error = self._draw(caption, seed)
        images = [to_uint8(image) for image in output.images]
        return named_stages(output, images, self._artist.generator.sides) | {"error": error}

    def _tokens(self, ids, lengths, noise, condition_noise):
        return {"image": self._artist.forward(ids, lengths, noise, condition_noise).images[-1]}

    def _encode_text(self, caption):
        ids, lengths, error = self._encode(caption)
        words, sentence = self._artist.text_encoder(*self._artist.bounded(ids, lengths))
        return {
            "ids": ids,
            "lengths": lengths,
            "word_features": words,
            "sentence_feature": sentence,
            "error": error,
        }

    def _draw(self, caption, seed):
        ids, lengths, error = self._encode(caption)
        noise, condition_noise = self._noise(seed)
        # A caption of no word is drawn as one of one padding word, and then not handed out.
        output = self._artist.forward(ids, lengths, noise, condition_noise)
        return output, error

    def _encode(self, caption):
        ids, lengths = self._vocabulary.encode(caption, self._artist.max_words)
        return ids, lengths, tf.where(lengths > 0, "", NOTHING_KNOWN)

    def _noise(self, seed):
        both = seeded_noise_in_graph(seed, sum(self._sizes.values()))
        return tf.split(both, list(self._sizes.values()), axis=1)


def named_stages(output: GeneratorOutput, images: Sequence, sides: Sequence[int]) -> dict:
    """The outputs of the signature `stages`, but for `error`; images: a stage each."""
    named = {f"image_{side}": image for side, image in zip(sides, images, strict=True)}
    refinements = zip(
        sides[:-1], output.attention, output.writing_gates, output.response_gates, strict=True
    )
    for side, attention, writing_gate, response_gate in refinements:
        named |= {
            f"attention_{side}": attention,
            f"writing_gate_{side}": writing_gate,
            f"response_gate_{side}": tf.ensure_shape(response_gate, [None, side, side, 1]),
        }
    return named


def to_uint8(images: tf.Tensor) -> tf.Tensor:
    """As `image_grid.to_uint8`: rounded to the nearest grey level, halves to even."""
    return tf.cast(tf.clip_by_value(tf.round((images + 1.0) * 127.5), 0.0, 255.0), tf.uint8)
