"""How large exported graphs are at the size of `cub.yaml`."""

import pytest

from dmgan_tf import build
from dmgan_tf.config_file import load_config
from dmgan_tf.data.vocabulary import END, Vocabulary
from dmgan_tf.export import onnx_graph, onnx_precision
from dmgan_tf.inference.folded_generator import FoldedGenerator
from dmgan_tf.inference.text_to_image import TextToImage

pytestmark = pytest.mark.slow

WORDS = 5450  # of CUB's vocabulary


def test_int8_takes_less_than_30_mib():
    config = load_config("configs/cub.yaml")
    vocabulary = Vocabulary([END, *(f"word{i}" for i in range(1, WORDS))])
    generator = FoldedGenerator(build.generator(config), portable=True)
    artist = TextToImage(generator, build.text_encoder(config, WORDS), vocabulary)
    graph = onnx_graph.trace(artist, uint8=True)["dmgan"]
    assert graph.ByteSize() < 100 * 2**20
    feed = artist.inputs([[1, 2, 3]], [0])
    assert onnx_precision.int8(graph, [feed]).ByteSize() < 30 * 2**20
