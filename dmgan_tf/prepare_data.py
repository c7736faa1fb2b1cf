"""Makes a data set ready: `dmgan prepare-data cub CUB_200_2011.tgz --out data/cub`.

Sources: cub, coco, flowers, celeba, attngan (the folder of AttnGAN's and DM-GAN's users), folder
(anybody's pictures), webdataset, parquet and tfrecord (of img2dataset and Hugging Face),
fluent-emoji. The result is one folder for `data.directory` of a config.
"""

import argparse
import hashlib
import logging
import math
import shutil
import tempfile
from pathlib import Path

from dmgan_tf.command_line import argument_parser, import_tensorflow, run
from dmgan_tf.data.prepared import METADATA
from dmgan_tf.errors import UserError
from dmgan_tf.preparation import shares
from dmgan_tf.preparation.limits import LEAST_SIDE, MOST_ASPECT, Limits
from dmgan_tf.preparation.sole_use import sole_use
from dmgan_tf.preparation.upload import local_folder, upload
from dmgan_tf.remote.store import is_remote, local_path, url_of
from dmgan_tf.shards import shard
from dmgan_tf.whole_file import check_writable

_SAMPLES = ("webdataset", "parquet", "tfrecord")
_WITH_CAPTIONS_APART = ("cub", "coco", "flowers", "celeba", "attngan", "folder")
SOURCES = (*_WITH_CAPTIONS_APART, *_SAMPLES, "fluent-emoji")
_FOR_SAMPLES = (
    "caption_key",
    "image_key",
    "min_similarity",
    "similarity_key",
    "language",
    "language_key",
)
_DOWNLOADED = ("cub", "coco")
_LOGGER = logging.getLogger(__name__)


def parse_arguments() -> argparse.Namespace:
    """The command line's arguments."""
    parser = argument_parser(__doc__)
    parser.add_argument("source", choices=SOURCES, help="kind of the data set")
    parser.add_argument(
        "path", type=local_path, help="folder or archive of the data set, as people find it"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="prepared folder to write, also s3://…; a new one"
    )
    parser.add_argument(
        "--captions",
        type=Path,
        help="file or folder of the captions (default: beside the pictures)",
    )
    parser.add_argument(
        "--words", type=int, help="largest size of the vocabulary, its end included (default: all)"
    )
    parser.add_argument(
        "--split",
        help="fraction, class, or a file of the test pictures' names (default: as the data say, or "
        "fraction)",
    )
    parser.add_argument("--test-share", type=float, help="share of the test split (default: 0.1)")
    _add_filters(parser)
    parser.add_argument(
        "--strict", action="store_true", help="stop at the first picture that can't be used"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="tell what there is, and write nothing"
    )
    parser.add_argument(
        "--download", action="store_true", help="cub and coco only: fetch the data into PATH first"
    )
    parser.add_argument(
        "--processes", type=int, help="processes that read pictures (default: one per core)"
    )
    share = parser.add_mutually_exclusive_group()
    share.add_argument(
        "--shard",
        type=shard,
        metavar="K/N",
        help="write the K-th of N shares alone, K = 0 … N − 1, into a folder beside --out",
    )
    share.add_argument(
        "--merge",
        type=int,
        metavar="N",
        help="join what N shares have written, with the same data, options and --out",
    )
    arguments = parser.parse_args()
    if arguments.download and arguments.source not in _DOWNLOADED:
        parser.error(f"--download knows {' and '.join(_DOWNLOADED)}, not {arguments.source}.")
    if arguments.download and arguments.dry_run:
        parser.error("--dry-run writes nothing, so it can't --download.")
    if arguments.download and arguments.shard:
        parser.error("--shard can't --download, as all shares would: fetch the data once before.")
    if is_remote(arguments.out) and (arguments.shard or arguments.merge):
        parser.error(f"shares are written and joined in local folders, not in {arguments.out}.")
    if arguments.processes and arguments.merge:
        parser.error("--processes is of no use with --merge, which looks at no picture.")
    for name, value, sources in (
        ("--split", arguments.split, ("folder", *_SAMPLES)),
        ("--test-share", arguments.test_share, ("folder", *_SAMPLES)),
        ("--words", arguments.words, [name for name in SOURCES if name != "attngan"]),
        ("--captions", arguments.captions, _WITH_CAPTIONS_APART),
        *((_option(name), getattr(arguments, name), _SAMPLES) for name in _FOR_SAMPLES),
    ):
        if value is not None and arguments.source not in sources:
            parser.error(f"{name} is of no use with {arguments.source}, only {', '.join(sources)}.")
    for name, needed in (("similarity_key", "min_similarity"), ("language_key", "language")):
        if getattr(arguments, name) is not None and getattr(arguments, needed) is None:
            parser.error(f"{_option(name)} is of no use without {_option(needed)}.")
    if arguments.min_similarity is not None and math.isnan(arguments.min_similarity):
        parser.error("--min-similarity must be a number.")
    if arguments.test_share is not None and not 0 <= arguments.test_share < 1:
        parser.error(f"--test-share must lie in [0, 1). Received: {arguments.test_share}.")
    for name, least, most in (
        ("words", 1, math.inf),
        ("merge", 1, math.inf),
        ("processes", 1, math.inf),
        ("min_side", LEAST_SIDE, math.inf),
        ("max_aspect", 1, MOST_ASPECT),
    ):
        value = getattr(arguments, name)
        if value is not None and not least <= value <= most:
            limit = f"{least} or more" if most == math.inf else f"in [{least}, {most}]"
            parser.error(f"{_option(name)} must be {limit}.")
    return arguments


def _option(name):
    return f"--{name.replace('_', '-')}"


def _add_filters(parser):
    parser.add_argument(
        "--min-side",
        type=int,
        help=f"leave out smaller pictures, in pixels (default: {LEAST_SIDE})",
    )
    parser.add_argument(
        "--max-aspect",
        type=float,
        help="leave out pictures whose longer side is more than so many shorter ones (default: "
        f"{MOST_ASPECT})",
    )
    parser.add_argument(
        "--deduplicate",
        action="store_true",
        help="leave out pictures with the bytes of an earlier one; reads all pictures once more",
    )
    options = parser.add_argument_group(", ".join(_SAMPLES))
    options.add_argument(
        "--caption-key", metavar="KEY", help="where captions stand (default: txt, caption, text, …)"
    )
    options.add_argument(
        "--image-key", metavar="KEY", help="where pictures stand (default: jpg, image, …)"
    )
    options.add_argument(
        "--min-similarity", type=float, help="leave out samples whose caption fits less"
    )
    options.add_argument(
        "--similarity-key", metavar="KEY", help="where that number stands (default: similarity)"
    )
    options.add_argument("--language", help="leave out samples in another language, such as en")
    options.add_argument(
        "--language-key", metavar="KEY", help="where the language stands (default: LANGUAGE)"
    )


def main() -> int:
    """Finds, plans, writes; into a remote folder by way of the cache."""
    arguments = parse_arguments()
    if not is_remote(named := arguments.out):
        return _write(arguments)
    arguments.out = local_folder(named, vars(arguments))
    if arguments.out.exists():  # an upload has failed
        print(f"Prepared before: {arguments.out}")
    else:
        _write(arguments)
    if not arguments.dry_run:
        upload(arguments.out, named)
        print(f"Uploaded: {url_of(named)}")
    return 0


def _write(arguments):
    out, source = arguments.out, arguments.path
    if arguments.shard:
        share = shares.folder(out, *arguments.shard)
        for folder, file in ((out, METADATA), (share, "")):  # also what was joined since
            if (folder / file).exists():
                print(f"Prepared before: {folder}")
                return 0
        if not out.exists():
            out = share
    if out.exists():
        raise UserError(f"{out} is there already: name another --out, or remove it.")
    check_writable(out)
    if arguments.merge:
        shares.check(out, arguments.merge)
    if arguments.download and source.is_file():
        raise UserError(f"{source} is a file: --download fetches into the folder PATH.")
    if arguments.download:
        source = _download(arguments.source, source)
    if not source.exists():
        raise UserError(f"{source}: there is no such file or folder.")
    work = _work_folder(out, source, arguments.captions)
    if arguments.dry_run:
        beside = next(folder for folder in out.absolute().parents if folder.exists())
        work = Path(tempfile.mkdtemp(prefix=".dry_run", dir=beside))
    with sole_use(work):
        try:
            _prepare(arguments, source, out, work)
        except UserError:  # after a kill it stays, to go on with
            shutil.rmtree(work, ignore_errors=True)
            raise
        shutil.rmtree(work, ignore_errors=True)
    return 0


def _prepare(arguments, source, out, work):
    from dmgan_tf.preparation.plan import few_test_pictures, plan
    from dmgan_tf.preparation.sources import find
    from dmgan_tf.preparation.writer import write, write_share

    if arguments.source == "tfrecord":
        import_tensorflow()
    names = ("split", "test_share", *_FOR_SAMPLES)
    options = {n: v for n in names if (v := getattr(arguments, n)) is not None}
    found = find(arguments.source, source, arguments.captions, work, **options)
    limits = Limits(arguments.min_side or LEAST_SIDE, arguments.max_aspect or MOST_ASPECT)
    planned = plan(
        found, arguments.source, arguments.words, arguments.strict, limits, arguments.deduplicate
    )
    print(planned.summary())
    if arguments.dry_run:
        if warning := few_test_pictures(entry.split for entry in planned.entries):
            _LOGGER.warning(warning)
        return
    import_tensorflow()
    options = arguments.strict, arguments.processes
    if arguments.shard:
        print(write_share(planned, arguments.out, arguments.shard, *options))
    else:
        print(write(planned, out, *options, merged=arguments.merge or 0))
    print(f"Prepared: {out}")


def _work_folder(out, *found):
    """A folder to unpack into, of these archives alone: its name has their sizes and dates."""
    stamps = [(p.stat().st_size, p.stat().st_mtime_ns) for p in found if p and p.is_file()]
    digest = hashlib.sha256(repr(stamps).encode()).hexdigest()[:12]
    return out.with_name(f".{out.name}.{digest}.unpacked")


def _download(source, folder):
    """Fetches a source's files; returns what its finder takes."""
    from dmgan_tf.preparation.archives import unpack
    from dmgan_tf.preparation.download import FILES, download

    paths = [download(file, folder) for file in FILES[source]]
    if source == "cub":
        return paths[0]
    for path in paths:
        unpack(path, folder / path.stem)
    return folder


if __name__ == "__main__":
    run(main)
