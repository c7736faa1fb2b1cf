"""Scores a model's pictures: `dmgan evaluate --model RUN --metrics fid,r_precision`.

Every score is written with its protocol into `evaluation.json`, in the model's folder (of a preset
NAME or of hf://user/NAME: in NAME_evaluation, here) unless --out says otherwise; beside it go a
table for a model card, `evaluation.md`, and the first pictures as a grid. Stopped and started again
it goes on.
"""

import argparse
import shutil
import time
from pathlib import Path

from dmgan_tf.command_line import argument_parser, import_tensorflow, run
from dmgan_tf.errors import UserError
from dmgan_tf.evaluation.request import METRICS, Request
from dmgan_tf.inference import hub, kaggle
from dmgan_tf.inference.presets import locate, preset_name
from dmgan_tf.inference.remote_model import name_of
from dmgan_tf.remote.store import is_remote, local_path
from dmgan_tf.shards import shard


def parse_arguments() -> argparse.Namespace:
    """The command line's arguments."""
    parser = argument_parser(__doc__)
    parser.add_argument(
        "--model", type=locate, help="folder of a run or of a model, a preset, hf://…, s3://…"
    )
    parser.add_argument(
        "--images-dir",
        type=local_path,
        help="folder of another program's pictures, instead of a model",
    )
    parser.add_argument(
        "--judge",
        type=locate,
        help="run, model, preset, hf://…, s3://… whose encoders judge (default: a preset's "
        "judge, or the model itself)",
    )
    parser.add_argument("--data", type=Path, help="prepared folder, s3://… (default: the model's)")
    parser.add_argument(
        "--metrics", default="fid,r_precision", help=f"scores, with commas, of {','.join(METRICS)}"
    )
    parser.add_argument(
        "--features",
        default="damsm",
        help="networks for fid, kid and is, with commas, such as inception-2015",
    )
    parser.add_argument(
        "--weights",
        action="append",
        default=[],
        metavar="NETWORK=FILE",
        help="weights of one of these networks; may be given several times",
    )
    parser.add_argument(
        "--images", type=int, help="number of pictures (default: one for each test picture)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of captions and noise")
    parser.add_argument(
        "--unseen", action="store_true", help="take only captions that training has not seen"
    )
    parser.add_argument(
        "--negatives", choices=("other_classes", "random"), default="other_classes",
        help="wrong captions of R-precision: as in the authors' code, or as in the paper",
    )  # fmt: skip
    parser.add_argument(
        "--drop-last-of-fold",
        action="store_true",
        help="leave each fold's last picture out of R-precision, as the authors' code does",
    )
    parser.add_argument(
        "--subset-size", type=int, default=1000, help="pictures in each subset of KID"
    )
    parser.add_argument(
        "--reference", type=Path, help="mu and sigma (.npz) for FID, instead of the test pictures'"
    )
    parser.add_argument("--blurred", action="store_true", help="score blurred real pictures too")
    parser.add_argument("--keep-images", type=local_path, help="folder to write the pictures into")
    parser.add_argument(
        "--out",
        type=local_path,
        help="report to write, with its table beside it as .md (default: evaluation.json in the "
        "model's folder)",
    )
    share = parser.add_mutually_exclusive_group()
    share.add_argument(
        "--shard",
        type=shard,
        metavar="K/N",
        help="look at the K-th of N shares of the pictures alone, K = 0 … N − 1, and score nothing",
    )
    share.add_argument(
        "--merge",
        type=int,
        metavar="N",
        help="score what N shares have seen, with the same options and --out",
    )
    parser.add_argument(
        "--since", type=float, help="Unix time from which to count `seconds` (default: now)"
    )
    arguments = parser.parse_args()
    arguments.metrics = tuple(arguments.metrics.split(","))
    if arguments.out and arguments.out.suffix == ".md":
        parser.error("--out names the JSON report; its table goes beside it as .md.")
    if unknown := [m for m in arguments.metrics if m not in METRICS]:
        parser.error(f"--metrics knows {', '.join(METRICS)}, not {unknown[0]!r}.")
    if not (arguments.model or arguments.images_dir):
        parser.error("give --model, or --images-dir with the pictures of another program.")
    if (arguments.shard or arguments.merge) and (arguments.images_dir or arguments.keep_images):
        parser.error("--shard and --merge are for a model's pictures, without --keep-images.")
    if arguments.images_dir and (arguments.unseen or arguments.keep_images):
        parser.error("--unseen and --keep-images are for a model's pictures, not for --images-dir.")
    if wrong := [w for w in arguments.weights if not all(w.partition("=")[::2])]:
        parser.error(f"--weights must be NETWORK=FILE. Received: {wrong[0]!r}.")
    for name, least in (("images", 2), ("seed", 0), ("subset_size", 2), ("merge", 1)):
        value = getattr(arguments, name)
        if value is not None and value < least:
            parser.error(f"--{name.replace('_', '-')} must be {least} or more.")
    return arguments


def _place(arguments: argparse.Namespace) -> Path:
    """The report's folder: that of the pictures; never the package's or a hub's cache."""
    if arguments.images_dir:
        return arguments.images_dir
    names = (f(arguments.model) for f in (hub.repository, kaggle.repository, name_of, preset_name))
    *_, name = next(filter(None, names), "").split("/", 1)
    name = name.replace("/", "_")
    return Path(f"{name}_evaluation") if name else arguments.model


def main() -> int:
    """Evaluates, writes and prints the report."""
    arguments = parse_arguments()
    begun = arguments.since or time.time()
    for name in ("model", "images_dir", "judge", "data"):
        folder = getattr(arguments, name)
        if folder and not (folder.is_dir() or (name == "data" and is_remote(folder))):
            raise UserError(f"--{name.replace('_', '-')} {folder}: there is no such folder.")
    out = arguments.out or _place(arguments) / "evaluation.json"
    import_tensorflow()  # takes seconds: not before the arguments
    from dmgan_tf.evaluation.evaluate import evaluate, evaluate_share
    from dmgan_tf.evaluation.report import as_json, as_markdown, as_table, save
    from dmgan_tf.whole_file import write_text

    request = Request(
        **{name: getattr(arguments, name) for name in (
            "model", "images_dir", "judge", "data", "metrics", "images", "seed", "unseen",
            "negatives", "drop_last_of_fold", "subset_size", "reference", "blurred", "keep_images",
            "shard", "merge",
        )},
        networks=tuple(arguments.features.split(",")),
        weights={n: Path(file) for n, _, file in (w.partition("=") for w in arguments.weights)},
        work=out.with_name(f".{out.name}.work"),
    )  # fmt: skip
    if request.shard:
        count = evaluate_share(request)
        name = "/".join(map(str, request.shard))
        print(f"Share {name}: {count} pictures, in {request.work}. Score all by --merge.")
        return 0
    grid = out.with_name("grid.png")
    common, scores = evaluate(request, grid)
    common["seconds"] = round(time.time() - begun, 1)
    save(out, report := as_json(common, scores))
    write_text(out.with_suffix(".md"), as_markdown(report))
    shutil.rmtree(request.work, ignore_errors=True)
    print(as_table(common, scores))
    print(f"Report:   {out}")
    if grid.is_file():
        print(f"Pictures: {grid}")
    return 0


if __name__ == "__main__":
    run(main)
