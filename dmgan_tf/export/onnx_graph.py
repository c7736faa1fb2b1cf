"""A text-to-image model as ONNX graphs: whole, its two halves, and with what the memory did.

dmgan          ids int32 [B, T], lengths int32 [B], noise float32 [B, N_z], condition_noise float32
               [B, N_c] → image [B, side, side, 3]
text_encoder   ids, lengths → word_features float32 [B, T, N_w], sentence_feature float32 [B, N_w]
generator      word_features, lengths, sentence_feature, noise, condition_noise → image
stages         the inputs of dmgan → image_SIDE, and attention_SIDE [B, SIDE², T], writing_gate_SIDE
               [B, T, 1] and response_gate_SIDE [B, SIDE, SIDE, 1], float32, by the side that a
               refinement starts from: the outputs of the server's signature `stages`

Words beyond the model's `max_words` are cut in all of them, lengths at 1 and T.

The recurrent layers become `LSTM` nodes, the generator is the folded one, and nothing of training
is left.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable

import keras
import onnx
import tensorflow as tf
import tf2onnx

from dmgan_tf.export.onnx_canonical import canonical
from dmgan_tf.inference.signatures import named_stages, to_uint8
from dmgan_tf.inference.text_to_image import TextToImage
from dmgan_tf.models.text_encoder import TextEncoder

OPSET = 18
PICTURES = ("dmgan", "text_encoder", "generator")
STAGES = "stages"


class _PlainTextEncoder(TextEncoder):
    """A text encoder of Keras' own LSTM layers, which tf2onnx knows as `LSTM` nodes."""

    def _lstm(self, name):
        units = self.feature_size // 2
        return keras.layers.LSTM(
            units, return_sequences=True, use_cudnn=False, dtype="float32", name=name
        )

    @classmethod
    def like(cls, encoder: TextEncoder) -> _PlainTextEncoder:
        """The same function; the two biases of each direction added up."""
        plain = cls(encoder.vocabulary_size, encoder.embedding_size, encoder.feature_size)
        plain.build()
        plain.embedding.set_weights(encoder.embedding.get_weights())
        for name in ("forward_lstm", "backward_lstm"):
            kernel, recurrent_kernel, bias, recurrent_bias = getattr(encoder, name).get_weights()
            getattr(plain, name).set_weights([kernel, recurrent_kernel, bias + recurrent_bias])
        return plain


def trace(
    artist: TextToImage, uint8: bool = True, names: Iterable[str] = PICTURES
) -> dict[str, onnx.ModelProto]:
    """The graphs by name.

    Args: uint8: pictures as uint8 in 0 … 255; else float32 in [−1, 1]. names: of the graphs.
    """
    generator = artist.generator
    encoder = _PlainTextEncoder.like(artist.text_encoder)
    plain = TextToImage(generator, encoder, artist.vocabulary, artist.max_words)
    features = encoder.feature_size
    specs = {
        "ids": tf.TensorSpec([None, None], tf.int32, "ids"),
        "lengths": tf.TensorSpec([None], tf.int32, "lengths"),
        "word_features": tf.TensorSpec([None, None, features], tf.float32, "word_features"),
        "sentence_feature": tf.TensorSpec([None, features], tf.float32, "sentence_feature"),
        "noise": tf.TensorSpec([None, generator.noise_size], tf.float32, "noise"),
        "condition_noise": tf.TensorSpec(
            [None, generator.condition_size], tf.float32, "condition_noise"
        ),
    }

    def pictures(output):
        return [to_uint8(image) if uint8 else image for image in output.images]

    def picture(output):
        return {"image": pictures(output)[-1]}

    def whole(ids, lengths, noise, condition_noise):
        return picture(plain.forward(ids, lengths, noise, condition_noise))

    def encode(ids, lengths):
        words, sentence = encoder(*plain.bounded(ids, lengths))
        return {"word_features": words, "sentence_feature": sentence}

    def draw(word_features, lengths, sentence_feature, noise, condition_noise):
        word_features, lengths = plain.bounded(word_features, lengths)
        mask = tf.sequence_mask(lengths, tf.shape(word_features)[1])
        return picture(generator(word_features, mask, sentence_feature, noise, condition_noise))

    def stages(ids, lengths, noise, condition_noise):
        output = plain.forward(ids, lengths, noise, condition_noise)
        return named_stages(output, pictures(output), generator.sides)

    models: dict[str, Callable] = {
        "dmgan": whole,
        "text_encoder": encode,
        "generator": draw,
        STAGES: stages,
    }
    return {name: _converted(name, models[name], specs) for name in names}


def _converted(name, function, specs):
    signature = [specs[parameter] for parameter in inspect.signature(function).parameters]
    model, _ = tf2onnx.convert.from_function(
        tf.function(function, autograph=False), input_signature=signature, opset=OPSET
    )
    graph = model.graph
    graph.name = name
    for value in (*graph.input, *graph.output):
        for place, dimension in enumerate(value.type.tensor_type.shape.dim):
            if not dimension.HasField("dim_value"):
                dimension.dim_param = "words" if place else "batch"
    return canonical(model)
