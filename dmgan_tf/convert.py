"""The authors' checkpoints to a model, and back.

`dmgan convert --generator bird_DMGAN.pth --text-encoder text_encoder200.pth
--image-encoder image_encoder200.pth --captions captions.pickle --out models/cub-official` makes a
model directory for `generate`, `evaluate` and, as `damsm.directory`, `train`.
`dmgan convert --model RUN --export-torch DIR` writes `.pth` files for PyTorch.
"""

import argparse
from pathlib import Path

from dmgan_tf.command_line import import_tensorflow, run
from dmgan_tf.inference.presets import locate
from dmgan_tf.remote.store import local_path

_NETWORKS = ("generator", "text_encoder", "image_encoder", "discriminators")


def parse_arguments() -> argparse.Namespace:
    """The command line's arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    authors = parser.add_argument_group("the authors' files, any of them")
    authors.add_argument("--generator", type=Path, help="bird_DMGAN.pth or netG_epoch_….pth")
    authors.add_argument("--text-encoder", type=Path, help="text_encoder….pth")
    authors.add_argument("--image-encoder", type=Path, help="image_encoder….pth")
    authors.add_argument("--discriminators", type=Path, help="folder of netD0.pth, netD1.pth, …")
    authors.add_argument("--captions", type=Path, help="captions.pickle, which holds the words")
    parser.add_argument(
        "--config",
        help="config that the model's begins with, and that says how many words of a caption count "
        "(default: coco.yaml for a generator of three residual blocks, else cub.yaml)",
    )
    parser.add_argument("--out", type=local_path, help="model directory to write")
    parser.add_argument(
        "--model", type=locate, help="folder of a run or of a model, a preset, hf://…, s3://…"
    )
    parser.add_argument(
        "--export-torch", type=local_path, metavar="DIR", help="folder to write .pth files into"
    )
    arguments = parser.parse_args()
    networks = [name for name in _NETWORKS if getattr(arguments, name)]
    if bool(arguments.model) != bool(arguments.export_torch):
        parser.error("--model and --export-torch go together.")
    if arguments.model and (networks or arguments.captions or arguments.out or arguments.config):
        parser.error("--export-torch goes with --model alone.")
    if not arguments.model and not (networks and arguments.out):
        parser.error("Give at least one network and --out, or --model and --export-torch.")
    return arguments


def main() -> int:
    """Converts one way or the other."""
    arguments = parse_arguments()
    import_tensorflow()  # takes seconds: not before the arguments
    from dmgan_tf.conversion import AuthorsFiles, convert, export

    if arguments.model:
        for path in export(arguments.model, arguments.export_torch):
            print(f"Written: {path}")
        return 0
    files = AuthorsFiles(
        generator=arguments.generator,
        text_encoder=arguments.text_encoder,
        image_encoder=arguments.image_encoder,
        captions=arguments.captions,
        discriminators=arguments.discriminators,
    )
    config = convert(files, arguments.out, arguments.config)
    words = config.data.max_words_evaluation
    print(f"Model: {arguments.out}; {words} words of a caption count.")
    return 0


if __name__ == "__main__":
    run(main)
