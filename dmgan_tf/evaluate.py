"""Scores a model on unseen captions: `python -m dmgan_tf.evaluate --model RUN --judge RUN`.

Writes `report.json` and a grid of pictures into the model's run folder.
"""

import argparse
import json
import time
from pathlib import Path

from dmgan_tf.command_line import import_tensorflow, run
from dmgan_tf.errors import UserError


def main() -> int:
    """Evaluates, writes and prints the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="folder of a run or of a model")
    parser.add_argument(
        "--judge",
        type=Path,
        required=True,
        help="DAMSM encoders that the model was not trained with",
    )
    parser.add_argument("--images", type=int, default=1000, help="unseen captions to draw")
    parser.add_argument("--seed", type=int, default=0, help="of choice and noise")
    parser.add_argument("--out", type=Path, help="report file (default: report.json in --model)")
    parser.add_argument(
        "--since", type=float, help="Unix time that the report's `seconds` count from"
    )
    arguments = parser.parse_args()
    if arguments.seed < 0:
        parser.error(f"--seed must not be negative. Received: {arguments.seed}.")
    begun = arguments.since or time.time()
    if not arguments.model.is_dir():
        raise UserError(f"--model {arguments.model}: there is no such folder.")
    import_tensorflow()  # takes seconds: not before the arguments
    from dmgan_tf.evaluation import evaluate

    path = arguments.out or arguments.model / "report.json"
    grid = path.with_name("grid.png")
    report = evaluate(arguments.model, arguments.judge, arguments.images, arguments.seed, grid)
    report["seconds"] = round(time.time() - begun, 1)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(report, indent=1), encoding="utf-8")
    partial.replace(path)
    print(json.dumps(report, indent=1))
    print(f"Report:   {path}\nPictures: {grid}")
    return 0


if __name__ == "__main__":
    run(main)
