"""Draws captions: `dmgan generate --model toy_birds --caption "a red bird" --out bird.png`."""

import argparse

from dmgan_tf.command_line import (
    add_captions,
    argument_parser,
    captions_of,
    import_tensorflow,
    picture_path,
    run,
)
from dmgan_tf.errors import UserError
from dmgan_tf.inference.presets import locate

_COLUMNS, _MOST_COLUMNS = 4, 8


def parse_arguments() -> argparse.Namespace:
    """The command line's arguments."""
    parser = argument_parser(__doc__)
    parser.add_argument(
        "--model",
        type=locate,
        required=True,
        help="folder of a run or of a model, a preset, hf://… or kaggle://…",
    )
    add_captions(parser)
    parser.add_argument(
        "--count", type=int, default=1, help="pictures of each caption: seeds SEED, SEED + 1, …"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of each caption's first picture")
    parser.add_argument(
        "--out",
        type=picture_path,
        default="picture.png",
        help="file to write; several pictures become one grid with their captions: all seeds of "
        "the first caption, then of the next",
    )
    parser.add_argument("--stages", action="store_true", help="draw every resolution into a grid")
    parser.add_argument(
        "--attention",
        action="store_true",
        help="write heat maps, writing gates and the words that are read most to "
        "NAME_attention.png; of several captions to NAME_attention_1.png, NAME_attention_2.png, …",
    )
    arguments = parser.parse_args()
    if arguments.count < 1:
        parser.error(f"--count must be 1 or more. Received: {arguments.count}.")
    if not -(2**63) <= arguments.seed <= 2**63 - arguments.count:
        parser.error(f"--seed must fit into 64 bits. Received: {arguments.seed}.")
    return arguments


def main() -> int:
    """Draws and saves."""
    arguments = parse_arguments()
    captions_of(arguments)  # what can't be read is told before TensorFlow's import, some seconds
    import_tensorflow()

    from dmgan_tf.inference.attention_figure import save_attention_figure
    from dmgan_tf.inference.captioned_grid import captioned_grid
    from dmgan_tf.inference.image_grid import save_picture
    from dmgan_tf.inference.inputs import encode_caption
    from dmgan_tf.inference.labelled_grid import labelled_grid
    from dmgan_tf.inference.text_to_image import TextToImage

    artist = TextToImage.from_preset(arguments.model)
    words = artist.vocabulary, artist.max_words
    captions = captions_of(arguments, lambda text: encode_caption(text, *words, quiet=True))
    seeds = list(range(arguments.seed, arguments.seed + arguments.count))
    repeated = [caption for caption in captions for _ in seeds]
    if arguments.attention and len(artist.generator.sides) == 1:
        raise UserError(f"{arguments.model}: --attention needs a model of two stages or more.")
    drawing = artist.draw(repeated, seeds * len(captions), progress=len(repeated) > 32)
    labels = [f"{c} (seed {s})" if len(seeds) > 1 else c for c in captions for s in seeds]
    if arguments.stages:
        sides = [f"{stage.shape[1]} × {stage.shape[1]}" for stage in drawing.images]
        picture = labelled_grid(drawing.images, sides, labels)
    elif len(labels) > 1:
        columns = min(len(seeds), _MOST_COLUMNS) if len(seeds) > 1 else _COLUMNS
        picture = captioned_grid(drawing.images[-1], labels, columns)
    else:
        picture = drawing.images[-1][0]
    save_picture(arguments.out, picture)
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
