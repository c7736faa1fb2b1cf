"""Makes a data set ready: `python -m dmgan_tf.prepare_data cub CUB_200_2011.tgz --out data/cub`.

Sources: cub, coco, attngan (the folder of AttnGAN's and DM-GAN's users), folder (anybody's
pictures), fluent-emoji. The result is one folder for `data.directory` of a config.
"""

import argparse
import hashlib
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from dmgan_tf.command_line import import_tensorflow, run
from dmgan_tf.errors import UserError

SOURCES = ("cub", "coco", "attngan", "folder", "fluent-emoji")
_DOWNLOADED = ("cub", "coco")


def parse_arguments() -> argparse.Namespace:
    """The command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", choices=SOURCES)
    parser.add_argument("path", type=Path, help="the data set as it was found: a folder or tarball")
    parser.add_argument(
        "--out", type=Path, required=True, help="prepared folder to write; a new one"
    )
    parser.add_argument("--captions", type=Path, help="where the captions are, if not beside them")
    parser.add_argument("--words", type=int, help="vocabulary at most, the end included")
    parser.add_argument("--split", default="fraction", help="folder: fraction, class, or a file")
    parser.add_argument("--test-share", type=float, default=0.1, help="folder: of the test split")
    parser.add_argument("--strict", action="store_true", help="leave nothing out: stop instead")
    parser.add_argument("--dry-run", action="store_true", help="tell what there is, write nothing")
    parser.add_argument("--download", action="store_true", help="cub, coco: fetch into PATH first")
    parser.add_argument("--processes", type=int, help="default: one per core")
    arguments = parser.parse_args()
    if arguments.download and arguments.source not in _DOWNLOADED:
        parser.error(f"--download knows {' and '.join(_DOWNLOADED)}, not {arguments.source}.")
    if not 0 <= arguments.test_share < 1:
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
    if arguments.download:
        source = _download(arguments.source, source)
    if not source.exists():
        raise UserError(f"{source}: there is no such file or folder.")
    from dmgan_tf.preparation import writer
    from dmgan_tf.preparation.entry import Found
    from dmgan_tf.preparation.sources import attngan, coco, cub, fluent_emoji, folder

    finders: dict[str, Callable[[Path, Path | None, Path], Found]] = {
        "cub": cub.find,
        "coco": coco.find,
        "attngan": attngan.find,
        "folder": partial(folder.find, split=arguments.split, test_share=arguments.test_share),
        "fluent-emoji": fluent_emoji.find,
    }
    work = _work_folder(out, source, arguments.captions)
    found = finders[arguments.source](source, arguments.captions, work)
    plan = writer.plan(found, arguments.source, arguments.words, arguments.strict)
    print(plan.summary())
    if arguments.dry_run:
        shutil.rmtree(work, ignore_errors=True)
        return 0
    import_tensorflow()
    print(writer.write(plan, out, arguments.strict, arguments.processes))
    shutil.rmtree(work, ignore_errors=True)
    print(f"Prepared: {out}")
    return 0


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
