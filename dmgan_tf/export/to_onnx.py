"""Writes a model as ONNX for edge devices, in several precisions, with a report.

    dmgan export onnx --model runs/demo --out runs/demo/onnx --precision float32,float16,int8

Into OUT, whole or not at all:

    dmgan_PRECISION.onnx, .ort      captions' ids, lengths, noise, condition noise → picture
    text_encoder_PRECISION.onnx     its first half, for many pictures of one caption
    generator_PRECISION.onnx        its second half
    stages_PRECISION.onnx           with --stages: the picture of every stage, attention and gates
    dmgan_PRECISION.required_operators.config    for an ONNX Runtime of these operators alone
    vocabulary.json, manifest.json  words; inputs, token rules, sizes, hashes, and what to make of
                                    some captions and seeds (`golden`)
    ort.json                        sizes and hashes of the .ort files
    report.json                     differences and costs
"""

from types import ModuleType

from dmgan_tf.command_line import import_tensorflow, run
from dmgan_tf.errors import UserError
from dmgan_tf.export.edge_options import PRECISIONS, export_parser, parsed


def main() -> int:
    """Exports and prints the report."""
    parser = export_parser(__doc__, PRECISIONS)
    parser.add_argument(
        "--stages",
        action="store_true",
        help="also write a graph that gives the pictures of all stages, attention and gates",
    )
    parser.add_argument(
        "--full-range",
        action="store_true",
        help="int8 weights of 8 bits, for processors with VNNI and for ARM; AVX2 alone, which adds "
        "products in 16 bits, draws worse with them than with the 7 bits of the default",
    )
    options = parsed(parser, PRECISIONS)
    print(onnx_files().export(**options))
    print(f"ONNX: {options['out']}")
    return 0


def onnx_files() -> ModuleType:
    """What exports, imported with TensorFlow.

    Raises: UserError: when packages are missing.
    """
    import_tensorflow()
    try:
        from dmgan_tf.export import onnx_files
    except ImportError as error:
        raise UserError(
            f"Exporting needs more packages: pip install 'dmgan_tf[onnx]' ({error})."
        ) from error
    return onnx_files


if __name__ == "__main__":
    run(main)
