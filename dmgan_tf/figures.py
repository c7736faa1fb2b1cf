"""Draws the paper's Figures 3 to 6: `dmgan figures --model RUN --out DIR`.

Writes comparison.png (models), stages.png, noises.png (one caption, many seeds) and words.png (what
the memory wrote and read); the last two are of the first caption.
"""

import argparse
from pathlib import Path

from dmgan_tf.caption_options import add_captions, captions_of
from dmgan_tf.command_line import argument_parser, import_tensorflow, run
from dmgan_tf.config_file import load_config
from dmgan_tf.errors import UserError
from dmgan_tf.inference.presets import locate
from dmgan_tf.remote.store import local_path

_FIGURES = ("comparison", "stages", "noises", "words")
_DEFAULT_CAPTIONS = 6
_MOST_CAPTIONS = 12  # side by side
_MOST_NOISES = 120


def parse_arguments() -> argparse.Namespace:
    """The command line's arguments."""
    parser = argument_parser(__doc__)
    parser.add_argument(
        "--model",
        type=locate,
        required=True,
        help="folder of a run or of a model, a preset, hf://…, s3://…",
    )
    parser.add_argument(
        "--compare",
        type=locate,
        action="append",
        default=[],
        metavar="MODEL",
        help="another model for comparison.png; may be given several times",
    )
    add_captions(parser, required=False)
    parser.add_argument("--out", type=local_path, required=True, help="folder to write them into")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first picture's noise")
    parser.add_argument("--noises", type=int, default=12, help="pictures in noises.png")
    parser.add_argument("--only", default=",".join(_FIGURES), help="figures to draw, with commas")
    arguments = parser.parse_args()
    arguments.only = arguments.only.split(",")
    if unknown := [name for name in arguments.only if name not in _FIGURES]:
        parser.error(f"--only takes some of {', '.join(_FIGURES)}. Received: {unknown[0]!r}.")
    if arguments.out.exists() and not arguments.out.is_dir():
        parser.error(f"--out must name a folder. Received: {arguments.out}, a file.")
    if not 1 <= arguments.noises <= _MOST_NOISES:
        parser.error(f"--noises must be 1 to {_MOST_NOISES}. Received: {arguments.noises}.")
    if not -(2**63) <= arguments.seed <= 2**63 - arguments.noises:
        parser.error(f"--seed must fit into 64 bits. Received: {arguments.seed}.")
    return arguments


def default_captions(model: Path) -> list[str]:
    """A caption each of the first species that the model's training never saw."""
    from dmgan_tf import build
    from dmgan_tf.inference.model_directory import resolve

    config = load_config(resolve(model) / "config.yaml")
    if config.data.source != "toy_birds":
        raise UserError(f"{model}: its captions stand in files of data; give some with --caption.")
    step = config.data.images_per_class
    return [bird[0] for bird in build.captions(config, "test")[::step][:_DEFAULT_CAPTIONS]]


def main() -> int:
    """Draws and saves."""
    arguments = parse_arguments()
    folders = [arguments.model, *arguments.compare]
    given = arguments.caption or arguments.captions_file
    captions = captions_of(arguments) if given else []
    if len(captions) > _MOST_CAPTIONS:
        raise UserError(f"{_MOST_CAPTIONS} captions fit side by side. Received: {len(captions)}.")
    if missing := [folder for folder in folders if not folder.is_dir()]:
        raise UserError(f"{missing[0]}: there is no such folder.")
    import_tensorflow()  # takes seconds: not before the arguments
    from dmgan_tf.inference.image_grid import save_picture
    from dmgan_tf.inference.paper_figures import paper_figures

    captions = captions or default_captions(arguments.model)
    options = arguments.seed, arguments.noises, arguments.only
    for name, picture in paper_figures(folders, captions, *options):
        save_picture(arguments.out / f"{name}.png", picture)
        print(f"{name.capitalize()}: {arguments.out / name}.png")
    return 0


if __name__ == "__main__":
    run(main)
