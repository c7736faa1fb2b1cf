"""Writes a model as ONNX for edge devices, in several precisions, with a report.

    dmgan export onnx --model runs/demo --out runs/demo/onnx --precision float32,float16,int8

Into OUT, whole or not at all:

    dmgan_PRECISION.onnx, .ort      captions' ids, lengths, noise, condition noise → picture
    text_encoder_PRECISION.onnx     its first half, for many pictures of one caption
    generator_PRECISION.onnx        its second half
    stages_PRECISION.onnx           with --stages: the picture of every stage, attention and gates
    dmgan_PRECISION.required_operators.config    for an ONNX Runtime of these operators alone
    vocabulary.json, manifest.json  words; inputs, token rules, sizes, hashes, differences, costs,
                                    and what to make of some captions and seeds (`golden`)
"""

from pathlib import Path
from types import ModuleType

from dmgan_tf.command_line import argument_parser, import_tensorflow, run
from dmgan_tf.errors import UserError
from dmgan_tf.inference.presets import locate

PRECISIONS = ("float32", "float16", "int8")  # `onnx_files` knows them too late for --help


def main() -> int:
    """Exports and prints the report."""
    parser = argument_parser(__doc__)
    parser.add_argument(
        "--model",
        type=locate,
        required=True,
        help="folder of a run or of a model, a preset, hf://… or kaggle://…",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write; a new one")
    parser.add_argument(
        "--precision", default="float32", help=f"some of {','.join(PRECISIONS)}, with commas"
    )
    parser.add_argument(
        "--captions-file",
        type=Path,
        help="text file with one caption on each line, for the ranges of int8 and the report "
        "(default: captions of the model's own data)",
    )
    parser.add_argument(
        "--float-images", action="store_true", help="give pictures as float32 in [−1, 1], not uint8"
    )
    parser.add_argument(
        "--stages",
        action="store_true",
        help="also write a graph that gives the pictures of all stages, attention and gates",
    )
    arguments = parser.parse_args()
    precisions = arguments.precision.split(",")
    if wrong := [p for p in precisions if p not in PRECISIONS]:
        parser.error(f"--precision knows {', '.join(PRECISIONS)}. Received: {', '.join(wrong)}.")
    if arguments.out.exists():
        raise UserError(f"{arguments.out} is there already: name another folder, or remove it.")
    print(onnx_files().export(**vars(arguments) | {"precision": tuple(dict.fromkeys(precisions))}))
    print(f"ONNX: {arguments.out}")
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
