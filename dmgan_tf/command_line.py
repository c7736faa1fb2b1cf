"""What the command lines share: options, logging, and one line for a user's mistake.

Nothing here imports TensorFlow: arguments are parsed, and complained about, at once. Nor does it
import what only some commands need: `dmgan edge` and `dmgan ask` run where little is installed.
"""

from __future__ import annotations

import argparse
import errno
import gc
import importlib
import logging
import math
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dmgan_tf import __version__
from dmgan_tf.errors import Interrupted, LostWorker, UserError, nearest
from dmgan_tf.remote.store import local_path

if TYPE_CHECKING:
    from dmgan_tf.config import Config


def import_tensorflow(onednn: bool = True) -> None:
    """Imports TensorFlow without the notes that its C++ parts write about their own start.

    They go to the file descriptor itself, past log levels. GPUs will give memory as it is needed.

    Args: onednn: use oneDNN's kernels on every CPU; False: where TensorFlow itself does. The
        variable TF_ENABLE_ONEDNN_OPTS overrides both.
    """
    # TensorFlow leaves oneDNN's kernels off where a CPU has no AVX-512 VNNI, though they are faster
    # with AVX2 alone as well: a training step of toy_birds takes two thirds of the time.
    if onednn:
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    sys.stderr.flush()
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    # Keras would import Matplotlib, half a second, for figures that no command line has it draw.
    sys.modules.setdefault("matplotlib", None)  # type: ignore[arg-type]
    if first := gc.isenabled() and "tensorflow" not in sys.modules:
        gc.disable()  # or it searches all that is imported again and again, a sixth of the time
    try:
        os.dup2(nowhere, 2)
        tensorflow = importlib.import_module("tensorflow")
        # TensorFlow rounds float32 products to 10 bits on newer GPUs: training may ask for
        # that (`training.tf32`), while pictures and scores are those of a CPU.
        tensorflow.config.experimental.enable_tensor_float_32_execution(False)
        for gpu in tensorflow.config.list_physical_devices("GPU"):
            tensorflow.config.experimental.set_memory_growth(gpu, True)
    finally:
        if first:
            gc.freeze()
            gc.enable()
        if sys.modules["matplotlib"] is None:
            del sys.modules["matplotlib"]
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def picture_path(text: str) -> Path:
    """The type of an option that names a picture to write."""
    path = local_path(text)
    try:
        if path.is_dir():
            raise argparse.ArgumentTypeError(f"{text} is a folder; name a picture file.")
        folder = next(parent for parent in path.absolute().parents if parent.exists())
    except OSError as error:  # a name that is too long, a folder that may not be searched
        raise argparse.ArgumentTypeError(f"{text}: {error.strerror}.") from error
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise argparse.ArgumentTypeError(f"{text}: nothing can be written into {folder}.")
    if path.suffix.lower() not in PICTURE_SUFFIXES:
        suffixes = ", ".join(PICTURE_SUFFIXES)
        raise argparse.ArgumentTypeError(f"must name a {suffixes} file. Received: {text}.")
    return path


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """The option `--set`, for `load_config`."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="value to use instead of the config's; may be given several times",
    )


def run_config(
    description: str,
    start: Callable[[Config, Path, bool], str],
    lacking: Callable[[Config, Path, bool], list[str]],
    subfolder: str = "",
) -> int:
    """Parses the options of a run, then starts it, or only looks ahead with `--dry-run`.

    Args: start: function (config, run's folder, resume) → what to print at the end. lacking: of the
        same → what would stop the run, in sentences. subfolder: of the default run's folder.
    Raises: UserError: also where a dry run finds something lacking.
    """
    from dmgan_tf.config_file import find_config, load_config

    parser = _config_parser(description)
    arguments = parser.parse_args()
    path = find_config(arguments.config or _config_of_run(parser, arguments))
    config = load_config(path, arguments.set)
    directory = arguments.run_dir or Path("runs") / path.stem / subfolder
    import_tensorflow()
    from dmgan_tf.training import cluster

    cluster.read_cluster()
    if arguments.dry_run:
        print(config.to_yaml())
        print(_parameter_table(config))
        if found := lacking(config, directory, arguments.resume):
            raise UserError(" ".join(found))
        print("All that this run needs is there.")
        return 0
    # Python calls no handler while TensorFlow waits for another worker. Training has a handler of
    # its own, which saves (`Checkpoints`); before its first step there is nothing to save.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with cluster.lost_workers_told(config.training.step_timeout_seconds):
        print(start(config, directory, arguments.resume))
    return 0


def _parameter_table(config):
    """Trainable parameters per network, a line each; needs no data."""
    from dmgan_tf import build

    image = build.image_encoder(config)
    networks = [
        build.text_encoder(config, config.text_encoder.vocabulary_size),
        image,
        build.generator(config),
        *build.discriminators(config),
        *build.feature_discriminators(config, image),
    ]
    counts = [(n.name, sum(math.prod(v.shape) for v in n.trainable_variables)) for n in networks]
    return "\n".join(f"{name:20} {count:>12,}" for name, count in counts)


def _config_of_run(parser, arguments):
    """The run's own config, with which `--resume --run-dir RUN` goes on."""
    from dmgan_tf.remote.run import working_folder

    if not (arguments.resume and arguments.run_dir):
        parser.error("--config is required; only --resume --run-dir RUN does without.")
    for part in ("", "damsm"):  # which is alone there until it is done
        if (path := working_folder(arguments.run_dir / part) / "config.yaml").is_file():
            return str(path)
    parser.error(f"{arguments.run_dir / 'config.yaml'}: there is none, so no run. Give --config.")


class _ArgumentParser(argparse.ArgumentParser):
    def error(self, message):
        _fail(f"{message.removesuffix('.')}. See {self.prog} --help.")


class _HelpWithDefaults(argparse.HelpFormatter):
    def _get_help_string(self, action):
        nothing = action.default is False or action.default in (None, [], argparse.SUPPRESS)
        plain = nothing or "default" in action.help
        return action.help if plain else f"{action.help} (default: %(default)s)"


def argument_parser(docstring: str | None) -> argparse.ArgumentParser:
    """A parser whose help begins with the docstring's first line, and tells the defaults."""
    return _ArgumentParser(
        description=(docstring or "").partition("\n")[0], formatter_class=_HelpWithDefaults
    )


def _config_parser(description):
    parser = argument_parser(description)
    parser.add_argument(
        "--config",
        help="YAML file, or the name of one in configs/ (default with --resume: that of --run-dir)",
    )
    add_overrides(parser)
    parser.add_argument("--run-dir", type=Path, help="its folder, or s3://… (default: runs/CONFIG)")
    parser.add_argument("--resume", action="store_true", help="go on where the run stopped")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the config and the number of parameters, check that all is there that the run "
        "needs (data, weights, folders), and train nothing",
    )
    return parser


def dispatch(name: str, description: str, commands: Mapping[str, tuple[str, str]]) -> None:
    """Runs the command that `sys.argv` names, with the rest of the arguments, and exits.

    Args: name: of the program. commands: name → (module with a `main`, one line of help).
    """
    width = max(map(len, commands))
    lines = [f"  {command:{width}}  {what}" for command, (_, what) in commands.items()]
    parser = _ArgumentParser(
        prog=name,
        usage=f"{name} [--help] [--version] COMMAND …",
        description=description,
        epilog="\n".join(["commands:", *lines, "", f"{name} COMMAND --help: its options"]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"dmgan_tf {__version__}")
    parser.add_argument("command", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.command is None:
        parser.error(f"name a command: {', '.join(commands)}.")
    if chosen.command not in commands:
        meant = nearest(chosen.command, commands)
        hint = f"Did you mean `{name} {meant}`?" if meant else f"There are {', '.join(commands)}."
        parser.error(f"there is no command {chosen.command!r}. {hint}")
    sys.argv = [f"{name} {chosen.command}", *chosen.arguments]
    run(importlib.import_module(commands[chosen.command][0]).main)


def run(main: Callable[[], int | None]) -> None:
    """Runs a command line's `main` and exits.

    0: done; 2: a user's mistake; 128 + n: stopped by signal n; 138: another worker was lost.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's chatter, not its errors
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    logging.getLogger("dmgan_tf").setLevel(logging.DEBUG)
    logging.getLogger().handlers[0].setLevel(logging.INFO)
    # Without a handler SIGTERM removes no temporary files, and process 1 of a container ignores
    # it. Training and the server have handlers of their own.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        sys.exit(main())
    except (UserError, LostWorker) as error:
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except Interrupted as stop:
        print(f"Saved. {stop}")
        sys.exit(128 + stop.signal_number)
    except Exception as error:
        if not _disk_is_full(error):
            raise
        reason = " ".join(str(error).split())[:300]
        _fail(f"The disk is full: {reason}. Free some space, then go on: a run with --resume.")


def _fail(message, code=2):
    print(f"error: {message}", file=sys.stderr)
    sys.exit(code)


def _disk_is_full(error):
    # TensorFlow and HDF5 have error classes of their own; the system's words are in all of them.
    full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
    return full or os.strerror(errno.ENOSPC) in str(error)
