"""The options that exports for devices share."""

import argparse
from pathlib import Path

from dmgan_tf.command_line import argument_parser
from dmgan_tf.errors import UserError
from dmgan_tf.inference.presets import locate
from dmgan_tf.remote.store import local_path

PRECISIONS = ("float32", "float16", "int8")  # that an export can be written in


def export_parser(description: str | None, precisions: tuple[str, ...]) -> argparse.ArgumentParser:
    """A parser of model, folder, precisions and captions."""
    parser = argument_parser(description)
    parser.add_argument(
        "--model",
        type=locate,
        required=True,
        help="folder of a run or of a model, a preset, hf://… or kaggle://…",
    )
    parser.add_argument("--out", type=local_path, required=True, help="folder to write; a new one")
    parser.add_argument(
        "--precision", default="float32", help=f"some of {','.join(precisions)}, with commas"
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
    return parser


def parsed(parser: argparse.ArgumentParser, precisions: tuple[str, ...]) -> dict:
    """The arguments by name, `precision` as a tuple.

    Raises: UserError: when the folder is there already.
    """
    arguments = parser.parse_args()
    found = tuple(dict.fromkeys(arguments.precision.split(",")))
    if wrong := [p for p in found if p not in precisions]:
        parser.error(f"--precision knows {', '.join(precisions)}. Received: {', '.join(wrong)}.")
    if arguments.out.exists():
        raise UserError(f"{arguments.out} is there already: name another folder, or remove it.")
    return vars(arguments) | {"precision": found}
