"""Draws captions: `dmgan generate --model RUN --caption "a red bird" --out a.png`."""

import argparse
from pathlib import Path

from dmgan_tf.command_line import import_tensorflow, read_captions, run
from dmgan_tf.errors import UserError
from dmgan_tf.inference.presets import locate


def parse_arguments() -> argparse.Namespace:
    """The command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=locate, required=True, help="run, model or preset")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--caption", help="one sentence")
    what.add_argument("--captions-file", type=Path, help="a text file with a sentence a line")
    parser.add_argument("--count", type=int, default=1, help="pictures a caption, of seeds seed, …")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first picture's noise")
    parser.add_argument("--out", type=Path, default=Path("picture.png"), help="PNG file to write")
    parser.add_argument("--stages", action="store_true", help="every resolution, side by side")
    parser.add_argument(
        "--attention",
        action="store_true",
        help="also NAME_attention.png: heat maps, writing gates, most-read words",
    )
    arguments = parser.parse_args()
    if arguments.count < 1:
        parser.error(f"--count must be 1 or more. Received: {arguments.count}.")
    if arguments.out.is_dir() or arguments.out.suffix.lower() != ".png":
        parser.error(f"--out must name a .png file. Received: {arguments.out}.")
    if not -(2**63) <= arguments.seed <= 2**63 - arguments.count:
        parser.error(f"--seed must fit into 64 bits. Received: {arguments.seed}.")
    return arguments


def main() -> int:
    """Draws and saves."""
    arguments = parse_arguments()
    one = arguments.caption is not None
    captions = [arguments.caption] if one else read_captions(arguments.captions_file)
    # TensorFlow takes seconds to import: not before the arguments are known to be good.
    import_tensorflow()
    import numpy as np

    from dmgan_tf.inference.attention_figure import save_attention_figure
    from dmgan_tf.inference.image_grid import enlarge, image_grid, save_png
    from dmgan_tf.inference.text_to_image import TextToImage

    seeds = list(range(arguments.seed, arguments.seed + arguments.count))
    repeated = [caption for caption in captions for _ in seeds]
    artist = TextToImage.from_preset(arguments.model)
    if arguments.attention and len(artist.generator.sides) == 1:
        raise UserError(f"{arguments.model}: --attention needs a model of two stages or more.")
    drawing = artist.draw(repeated, seeds * len(captions), progress=len(repeated) > 32)
    last = drawing.images[-1]
    if arguments.stages:
        stages = [enlarge(stage, last.shape[1]) for stage in drawing.images]
        rows = list(np.stack(stages, axis=1))
    else:
        rows = [last[i : i + len(seeds)] for i in range(0, len(last), len(seeds))]
    save_png(arguments.out, image_grid(rows))
    print(f"Pictures: {arguments.out}")
    if arguments.attention:
        for i in range(0, len(repeated), len(seeds)):
            number = f"_{i // len(seeds) + 1}" if len(captions) > 1 else ""
            path = arguments.out.with_name(f"{arguments.out.stem}_attention{number}.png")
            save_attention_figure(path, drawing, i)
            print(f"Attention: {path}")
    return 0


if __name__ == "__main__":
    run(main)
