"""How large exported graphs are at the size of `cub.yaml`, and what int8 loses there."""

from pathlib import Path

import numpy as np
import pytest

from dmgan_tf.export import edge_folder, onnx_graph, onnx_precision
from dmgan_tf.inference import edge_runtimes
from dmgan_tf.inference.text_to_image import TextToImage

pytestmark = pytest.mark.slow

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_int8_takes_less_than_30_mib_and_draws_within_20_db(int8_at_full_size, runtime):
    exact, changed, feed = int8_at_full_size
    assert exact.ByteSize() < 100 * 2**20
    assert changed.ByteSize() < 30 * 2**20
    pytest.importorskip(runtime)
    expected, found = (
        edge_runtimes.load(kind, graph.SerializeToString())(feed).astype(float)
        for kind, graph in (("onnxruntime", exact), (runtime, changed))
    )
    assert 10 * np.log10(255**2 / np.mean((found - expected) ** 2)) > 20


@pytest.fixture(scope="module")
def int8_at_full_size(tmp_path_factory):
    """A graph of random weights, the same in int8, and inputs that it was not calibrated on."""
    folder = tmp_path_factory.mktemp("full_size")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        import edge

        edge.save_random_model("cub.yaml", folder / "model", folder / "captions.txt")
    artist = TextToImage.from_preset(folder / "model", portable=True)
    calibration, judged = edge_folder.captions(artist, folder / "model", folder / "captions.txt")
    graph = onnx_graph.trace(artist, uint8=True)["dmgan"]
    changed = onnx_precision.int8(graph, edge_folder.feeds(artist, calibration[:8], 1))
    (feed,) = edge_folder.feeds(artist, judged[:4], 4)
    return graph, changed, feed
