"""Table 3 of the paper, on any data: `dmgan ablation --config toy_birds.yaml`.

Trains the four rows (baseline, + memory, + writing gate, + response gate), and AttnGAN's attention
before them, with several seeds each on the same encoders, scores all of them by the same judge, and
writes `table.md`, `table.json` and `table.png`. Started again, it goes on where it was stopped.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from dmgan_tf.ablation_table import ROWS, read_scores, save_plot, save_table
from dmgan_tf.command_line import add_overrides, argument_parser, run
from dmgan_tf.config import Config
from dmgan_tf.config_file import find_config, load_config, load_dataclass
from dmgan_tf.errors import UserError
from dmgan_tf.remote.store import local_path
from dmgan_tf.whole_file import write_text


@dataclass(frozen=True)
class _Request:
    config: Config
    evaluate: str


def parse_arguments() -> argparse.Namespace:
    """The command line's arguments."""
    parser = argument_parser(__doc__)
    parser.add_argument("--config", required=True, help="YAML file, or the name of one in configs/")
    add_overrides(parser)
    parser.add_argument("--seeds", type=int, default=3, help="runs of each row")
    parser.add_argument("--rows", help=f"rows to train, of {','.join(ROWS)} (default: all)")
    parser.add_argument(
        "--run-dir", type=local_path, help="folder of all runs (default: runs/CONFIG_ablation)"
    )
    parser.add_argument(
        "--evaluate",
        default="--metrics fid,r_precision",
        help="options of `dmgan evaluate`, in quotes",
    )
    arguments = parser.parse_args()
    if arguments.seeds < 1:
        parser.error(f"--seeds must be 1 or more. Received: {arguments.seeds}.")
    arguments.rows = arguments.rows.split(",") if arguments.rows else list(ROWS)
    if unknown := [row for row in arguments.rows if row not in ROWS]:
        parser.error(f"--rows knows {', '.join(ROWS)}. Received: {unknown[0]!r}.")
    return arguments


def main() -> int:
    """Trains what is missing, scores it, and writes the table of all rows that are there."""
    arguments = parse_arguments()
    path = find_config(arguments.config)
    config = load_config(path, arguments.set)
    folder = arguments.run_dir or Path("runs") / f"{path.stem}_ablation"
    settings = [part for value in arguments.set for part in ("--set", value)]
    common = ["--config", str(path), *settings, "--resume"]
    # Encoders that all rows learn from, and a judge that none has seen.
    first_seed = config.training.seed
    _hold_to(folder, _Request(config, arguments.evaluate))
    encoders, judge = folder / "damsm", folder / "judge"
    for place, seed in ((encoders, first_seed), (judge, first_seed + 1000)):
        _call("pretrain_damsm", *common, *_set("training.seed", seed), "--run-dir", place)
    for seed in range(first_seed, first_seed + arguments.seeds):
        for name in arguments.rows:
            place = folder / name / f"seed_{seed}"
            if (place / "evaluation.json").is_file():
                continue
            values = {**ROWS[name], "training.seed": seed, "damsm.directory": encoders}
            changed = [part for key, value in values.items() for part in _set(key, value)]
            _call("train", *common, *changed, "--run-dir", place)
            wanted = arguments.evaluate.split()
            _call("evaluate", "--model", place, "--judge", judge, *wanted)
    table = read_scores(folder)
    save_plot(folder / "table.png", table)
    print(save_table(folder, table))
    print(f"Table: {folder / 'table.md'}\nPlot:  {folder / 'table.png'}")
    return 0


def _hold_to(folder, request):
    """Rows of one table answer one request: a folder that was begun with another is refused.

    An older request has today's defaults.
    """
    path = folder / "request.json"
    if not path.exists():
        values = {"config": yaml.safe_load(request.config.to_yaml()), "evaluate": request.evaluate}
        write_text(path, json.dumps(values, indent=1))
    elif load_dataclass(_Request, path) != request:
        raise UserError(
            f"{path}: was begun with another config or --evaluate. Use another --run-dir."
        )


def _set(key, value):
    return "--set", f"{key}={str(value).lower() if isinstance(value, bool) else value}"


def _call(module, *arguments):
    """One of the project's command lines, in a process of its own: a process has one strategy."""
    command = [sys.executable, "-m", f"dmgan_tf.{module}", *map(str, arguments)]
    print("python", *command[1:], flush=True)
    code = subprocess.run(command, check=False).returncode
    if code > 128:
        sys.exit(code)  # a signal, and it has saved
    if code:
        raise UserError(f"The command above ended with {code}. Mend it and start again.")


if __name__ == "__main__":
    run(main)
