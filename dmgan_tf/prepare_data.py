"""Makes a data set ready: `dmgan prepare-data cub CUB_200_2011.tgz --out data/cub`.

Sources: cub, coco, attngan (the folder of AttnGAN's and DM-GAN's users), folder (anybody's
pictures), fluent-emoji. The result is one folder for `data.directory` of a config.
"""

import argparse
import hashlib
import logging
import shutil
import tempfile
from pathlib import Path

from dmgan_tf.command_line import argument_parser, import_tensorflow, run
from dmgan_tf.errors import UserError
from dmgan_tf.preparation.sole_use import sole_use
from dmgan_tf.whole_file import check_writable

SOURCES = ("cub", "coco", "attngan", "folder", "fluent-emoji")
_DOWNLOADED = ("cub", "coco")
_LOGGER = logging.getLogger(__name__)


def parse_arguments() -> argparse.Namespace:
    """The command line's arguments."""
    parser = argument_parser(__doc__)
    parser.add_argument("source", choices=SOURCES, help="kind of the data set")
    parser.add_argument(
        "path", type=Path, help="folder or archive of the data set, as people find it"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="prepared folder to write; a new one"
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
        "--split", help="folder only: fraction, class, or a file of names (default: fraction)"
    )
    parser.add_argument(
        "--test-share", type=float, help="folder only: share of the test split (default: 0.1)"
    )
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
    arguments = parser.parse_args()
    if arguments.download and arguments.source not in _DOWNLOADED:
        parser.error(f"--download knows {' and '.join(_DOWNLOADED)}, not {arguments.source}.")
    if arguments.download and arguments.dry_run:
        parser.error("--dry-run writes nothing, so it can't --download.")
    for name, value, sources in (
        ("--split", arguments.split, ("folder",)),
        ("--test-share", arguments.test_share, ("folder",)),
        ("--words", arguments.words, ("cub", "coco", "folder", "fluent-emoji")),
        ("--captions", arguments.captions, ("cub", "coco", "attngan", "folder")),
    ):
        if value is not None and arguments.source not in sources:
            parser.error(f"{name} is of no use with {arguments.source}, only {', '.join(sources)}.")
    if arguments.test_share is not None and not 0 <= arguments.test_share < 1:
        parser.error(f"--test-share must lie in [0, 1). Received: {arguments.test_share}.")
    for name in ("words", "processes"):
        if getattr(arguments, name) is not None and getattr(arguments, name) < 1:
            parser.error(f"--{name} must be 1 or more.")
    return arguments


def main() -> int:
    """Finds, plans, writes."""
    arguments = parse_arguments()
    out, source = arguments.out, arguments.path
    if out.exists():
        raise UserError(f"{out} is there already: name another --out, or remove it.")
    check_writable(out)
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
    from dmgan_tf.preparation.writer import write

    options = {n: v for n in ("split", "test_share") if (v := getattr(arguments, n)) is not None}
    found = find(arguments.source, source, arguments.captions, work, **options)
    planned = plan(found, arguments.source, arguments.words, arguments.strict)
    print(planned.summary())
    if arguments.dry_run:
        if warning := few_test_pictures(entry.split for entry in planned.entries):
            _LOGGER.warning(warning)
        return
    import_tensorflow()
    print(write(planned, out, arguments.strict, arguments.processes))
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
