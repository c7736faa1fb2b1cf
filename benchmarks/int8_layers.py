"""What each layer of a model loses in int8: PSNR with that layer alone in int8, the worst first.

    python benchmarks/int8_layers.py --model toy_birds_128
    python benchmarks/int8_layers.py --config cub.yaml --captions 2 --most 20

Differences are to ONNX Runtime's float32 pictures. MiB is what the layer would add in float32.
With `--config` the weights are those of `random_model`.
"""

import argparse
import tempfile
from pathlib import Path

from edge import save_random_model

from dmgan_tf.command_line import import_tensorflow, run
from dmgan_tf.inference.presets import locate


def main() -> int:
    """Prints a line for each layer as it is measured, then all of them, sorted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--model", type=locate, help="a preset, or the folder of a run or model")
    which.add_argument("--config", help="random weights of this config")
    parser.add_argument("--captions", type=int, default=8, help="pictures to compare")
    parser.add_argument("--most", type=int, default=1000, help="layers to measure, last ones first")
    parser.add_argument("--full-range", action="store_true", help="weights of 8 bits, not of 7")
    arguments = parser.parse_args()
    import_tensorflow()
    with tempfile.TemporaryDirectory() as name:
        model, captions = arguments.model, None
        if arguments.config:
            model, captions = Path(name) / "model", Path(name) / "captions.txt"
            save_random_model(arguments.config, model, captions)
        found = list(_losses(arguments, model, captions, Path(name) / "ranges.json"))
    print("\nThe worst first:")
    for line in sorted(found):
        print(_line(*line))
    return 0


def _losses(arguments, model, captions, ranges):
    """(PSNR, MiB, node) of each layer; None as the node: of all of them together."""
    from dmgan_tf.export import edge_folder, onnx_graph, onnx_precision
    from dmgan_tf.inference.text_to_image import TextToImage

    artist = TextToImage.from_preset(model, portable=True)
    calibration, judged = edge_folder.captions(artist, model, captions)
    feeds = edge_folder.feeds(artist, calibration, 1)
    (feed,) = edge_folder.feeds(artist, judged[: arguments.captions], arguments.captions)
    graph = onnx_graph.trace(artist, names=["dmgan"])["dmgan"]
    exact = _draw(graph, feed)
    nodes = onnx_precision.quantized_nodes(graph.graph)[::-1]
    sizes = _sizes(graph.graph)
    for chosen in ([None], *([node] for node in nodes[: arguments.most])):
        names = nodes if chosen == [None] else chosen
        changed = onnx_precision.int8(
            graph, feeds, arguments.full_range, names, ranges, factors=(1.0,)
        )
        found = _psnr(_draw(changed, feed), exact), sum(map(sizes.get, names)), str(chosen[0])
        print(_line(*found), flush=True)
        yield found


def _draw(graph, feed):
    from dmgan_tf.inference import edge_runtimes

    return edge_runtimes.load("onnxruntime", graph.SerializeToString())(feed).astype(float)


def _psnr(drawn, exact):
    import numpy as np

    error = np.mean((drawn - exact) ** 2)
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def _sizes(graph):
    """What each node's constants take beyond int8, in MiB."""
    import numpy as np

    constants = {tensor.name: int(np.prod(tensor.dims)) for tensor in graph.initializer}
    return {
        node.name: 3 * sum(constants.get(name, 0) for name in node.input) / 2**20
        for node in graph.node
    }


def _line(psnr, mebibytes, node):
    return f"{psnr:6.1f} dB  {mebibytes:6.2f} MiB  {node}"


if __name__ == "__main__":
    run(main)
