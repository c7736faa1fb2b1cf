"""The files of a LiteRT export: a graph of builtin operators alone, in several precisions.

float32  weights and computation.
float16  weights; computed in float32 on a CPU, in float16 where a delegate can.
int8     dynamic range: weights of convolutions and dense layers in int8, a scale a channel;
         activations are rounded as they come, with the range that each has. The text encoder
         and the prior stay float32.

The graph draws one caption of `max_words` ids. Its two recurrent layers are unrolled, since the
ids that they meet are gathered by each caption's length.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType

import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
from tqdm import tqdm

from dmgan_tf.errors import UserError
from dmgan_tf.export import edge_folder, edge_report
from dmgan_tf.export.edge_options import PRECISIONS
from dmgan_tf.inference.edge_runtimes import import_runtime
from dmgan_tf.inference.signatures import to_uint8
from dmgan_tf.inference.text_to_image import TextToImage
from dmgan_tf.whole_folder import whole_folder

# int8, in the form of `ai_edge_quantizer`. The text encoder and the prior decide in which
# surroundings a picture is drawn: the prior compares sums, so that a rounded sentence may fall to
# another of its Gaussians.
_INT8_RECIPE = [
    {
        "regex": ".*",
        "operation": "*",
        "algorithm_key": "min_max_uniform_quantize",
        "op_config": {
            "weight_tensor_config": {
                "num_bits": 8,
                "symmetric": True,
                "granularity": "CHANNELWISE",
                "dtype": "INT",
            },
            "compute_precision": "INTEGER",
            "min_weight_elements": 1024,  # the last convolution has fewer
        },
    },
    {"regex": "text_encoder|prior", "operation": "*", "algorithm_key": "no_quantize"},
]


def export(
    model: Path,
    out: Path,
    precision: tuple[str, ...] = ("float32",),
    captions_file: Path | None = None,
    float_images: bool = False,
) -> str:
    """Writes the export of a model directory to `out`, whole or not at all.

    Returns: the report, a table.
    Raises: UserError: when there is no model, there are no captions, or a package is missing.
    """
    edge_folder.chosen(precision, PRECISIONS)
    import_runtime("litert")
    if "int8" in precision:
        _import_quantizer()
    artist = TextToImage.from_preset(model, portable=True)
    _, judged = edge_folder.captions(artist, model, captions_file)
    with whole_folder(out) as partial:
        reference = edge_report.reference(
            artist, judged
        )  # before `trace`, which changes how it draws
        graph = trace(artist, uint8=not float_images)
        properties = edge_folder.properties(model, artist)
        for kind in tqdm(precision, desc="precisions", leave=False):
            content = convert(graph, kind, properties)
            (partial / f"dmgan_{kind}.tflite").write_bytes(content)
        edge_folder.write_manifest(model, artist, partial, lambda _: {})
        rows = edge_report.rows(partial, [("litert", p) for p in precision], reference)
        return edge_folder.write_report(partial, rows)


def trace(artist: TextToImage, uint8: bool = True) -> tf.Module:
    """A caption's picture as a function `draw` without variables.

    Its inputs are those of the ONNX graph `dmgan`, for one caption of `max_words` ids.
    """
    encoder, generator = artist.text_encoder, artist.generator
    encoder.forward_lstm.unroll = encoder.backward_lstm.unroll = True
    # LiteRT's own mirrored padding takes as long as all convolutions together, and delegates such
    # as XNNPACK leave it out.
    generator.reflect_by_parts()
    specs = {
        "ids": tf.TensorSpec([1, artist.max_words], tf.int32, "ids"),
        "lengths": tf.TensorSpec([1], tf.int32, "lengths"),
        "noise": tf.TensorSpec([1, generator.noise_size], tf.float32, "noise"),
        "condition_noise": tf.TensorSpec(
            [1, generator.condition_size], tf.float32, "condition_noise"
        ),
    }

    def picture(ids, lengths, noise, condition_noise):
        image = artist.forward(ids, lengths, noise, condition_noise).images[-1]
        return to_uint8(image) if uint8 else image

    traced = tf.function(picture, autograph=False).get_concrete_function(**specs)
    # The converter would keep variables, and leave them without values.
    frozen = convert_variables_to_constants_v2(traced)
    module = tf.Module()
    module.draw = tf.function(
        lambda **inputs: {"image": frozen(**inputs)[0]}, autograph=False
    ).get_concrete_function(**specs)
    return module


def convert(
    graph: tf.Module, precision: str, properties: Mapping[str, str] = MappingProxyType({})
) -> bytes:
    """A `.tflite` file's bytes.

    Args: graph: of `trace`. properties: what the file says of itself, as its `metadata`.
    """
    converter = tf.lite.TFLiteConverter.from_concrete_functions([graph.draw], graph)
    if precision == "float16":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    content = _with_properties(converter.convert(), properties)
    # Last: its weights lie behind the flatbuffer, where `flatbuffer_utils` would lose them.
    return _int8(content) if precision == "int8" else content


def _with_properties(content, properties):
    model = flatbuffer_utils.convert_bytearray_to_object(content)
    for name, text in properties.items():
        entry, buffer = schema.MetadataT(), schema.BufferT()
        entry.name, entry.buffer = name, len(model.buffers)
        buffer.data = np.frombuffer(text.encode(), np.uint8)
        model.buffers.append(buffer)
        model.metadata = [*(model.metadata or []), entry]
    return flatbuffer_utils.convert_object_to_bytearray(model)


def _int8(content: bytes) -> bytes:
    quantizer = _import_quantizer().Quantizer(content, _INT8_RECIPE)
    return bytes(quantizer.quantize(enable_progress_report=False).quantized_model)


def _import_quantizer() -> ModuleType:
    try:
        from ai_edge_quantizer import quantizer
    except ImportError as error:
        raise UserError(
            f"int8 of LiteRT needs more packages: pip install 'dmgan_tf[litert]' ({error})."
        ) from error
    return quantizer
