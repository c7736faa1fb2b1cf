"""Draws captions into one picture, or each picture of many into files of its own.

dmgan generate --model toy_birds --caption "a red bird" --out bird.png
dmgan generate --model toy_birds --captions-file captions.txt --count 4 --out-dir pictures
"""

import argparse
import logging

from dmgan_tf.caption_options import add_captions, captions_of
from dmgan_tf.command_line import argument_parser, import_tensorflow, picture_path, run
from dmgan_tf.errors import UserError
from dmgan_tf.inference.inputs import DTYPES
from dmgan_tf.inference.presets import locate
from dmgan_tf.remote.store import local_path
from dmgan_tf.shards import shard
from dmgan_tf.whole_file import check_writable

_COLUMNS, _MOST_COLUMNS = 4, 8
_EAGER_PICTURES = 8

_LOGGER = logging.getLogger(__name__)


def parse_arguments() -> argparse.Namespace:
    """The command line's arguments."""
    parser = argument_parser(__doc__)
    parser.add_argument(
        "--model",
        type=locate,
        required=True,
        help="folder of a run or of a model, a preset, hf://…, s3://…",
    )
    add_captions(parser)
    parser.add_argument(
        "--count", type=int, default=1, help="pictures of each caption: seeds SEED, SEED + 1, …"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of each caption's first picture")
    parser.add_argument(
        "--out",
        type=picture_path,
        help="file to write (default: picture.png); several pictures become one grid with their "
        "captions: all seeds of the first caption, then of the next",
    )
    parser.add_argument(
        "--out-dir",
        type=local_path,
        help="folder to write each picture into, by parts of 1,024; started again, it draws what "
        "is missing",
    )
    parser.add_argument(
        "--tar", action="store_true", help="with --out-dir: a tar for each part (webdataset)"
    )
    parser.add_argument(
        "--format",
        choices=("png", "jpg"),
        help="with --out-dir: of the files (default: png); jpg has quality 95",
    )
    parser.add_argument(
        "--shard",
        type=shard,
        default=(0, 1),
        metavar="K/N",
        help="with --out-dir: draw each N-th part from part K on, K = 0 … N − 1",
    )
    parser.add_argument(
        "--dtype",
        choices=DTYPES,
        default="float32",
        help="to compute in; bfloat16 where the processor or GPU has it",
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
    many = {
        "--tar": arguments.tar,
        "--format": arguments.format,
        "--shard": arguments.shard != (0, 1),
    }
    one = {
        "--out": arguments.out,
        "--stages": arguments.stages,
        "--attention": arguments.attention,
    }
    for name, given in (one if arguments.out_dir else many).items():
        if given:
            parser.error(
                f"{name} can't be used {'with' if arguments.out_dir else 'without'} --out-dir."
            )
    if not arguments.out_dir and not arguments.out:
        arguments.out = picture_path("picture.png")
    return arguments


def main() -> int:
    """Draws and saves."""
    arguments = parse_arguments()
    if arguments.out_dir:
        check_writable(arguments.out_dir)
    captions_of(arguments)  # what can't be read is told before TensorFlow's import, some seconds
    import_tensorflow()

    from dmgan_tf.inference.attention_figure import save_attention_figure
    from dmgan_tf.inference.captioned_grid import captioned_grid
    from dmgan_tf.inference.image_grid import save_picture
    from dmgan_tf.inference.inputs import encode_caption
    from dmgan_tf.inference.labelled_grid import labelled_grid
    from dmgan_tf.inference.text_to_image import TextToImage
    from dmgan_tf.training.devices import computes_in_bfloat16

    artist = TextToImage.from_preset(arguments.model, dtype=arguments.dtype)
    if arguments.dtype == "bfloat16" and not computes_in_bfloat16():
        _LOGGER.warning(
            "No AVX512_BF16, AMX or GPU was found: float32 is likely faster than bfloat16 here."
        )
    words = artist.vocabulary, artist.max_words
    if arguments.out_dir:
        try:
            return _draw_many(artist, arguments)
        except OSError as error:
            raise UserError(
                f"{arguments.out_dir}: cannot be written: {error.strerror}. Started again, the "
                "command draws what is missing."
            ) from error
    captions = captions_of(arguments, lambda text: encode_caption(text, *words, quiet=True))
    seeds = list(range(arguments.seed, arguments.seed + arguments.count))
    repeated = [caption for caption in captions for _ in seeds]
    if arguments.attention and len(artist.generator.sides) == 1:
        raise UserError(f"{arguments.model}: --attention needs a model of two stages or more.")
    artist.run_eagerly = len(repeated) <= _EAGER_PICTURES
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


def _draw_many(artist, arguments):
    from dmgan_tf.data.tokens import tokenize
    from dmgan_tf.inference.inputs import encode_caption
    from dmgan_tf.inference.model_directory import fingerprint, resolve
    from dmgan_tf.many_pictures import Order, draw_many

    incomplete = []

    def check(caption):
        read = encode_caption(caption, artist.vocabulary, artist.max_words, quiet=True)
        if len(read) < len(tokenize(caption)):
            incomplete.append(caption)

    captions = captions_of(arguments, check)
    if incomplete:
        _LOGGER.warning(
            "Of %d of %d captions words are left out: the model doesn't know them, or reads only "
            "%d words. The first: %r",
            len(incomplete),
            len(captions),
            artist.max_words,
            incomplete[0],
        )
    artist.quiet = True
    seeds = range(arguments.seed, arguments.seed + arguments.count)
    order = Order(captions, seeds, *arguments.shard)
    form = {"tar": arguments.tar, "suffix": arguments.format or "png"}
    drawn, before = draw_many(
        artist, fingerprint(resolve(arguments.model)), order, arguments.out_dir, **form
    )
    print(f"Pictures: {arguments.out_dir}, {drawn} parts drawn, {before} were there")
    return 0


if __name__ == "__main__":
    run(main)
