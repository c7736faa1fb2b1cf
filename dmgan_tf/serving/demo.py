"""Exports a model, serves it, asks through the client, saves the picture, stops.

python -m dmgan_tf.serving.demo --model runs/demo --out runs/demo/served.png
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from dmgan_tf.command_line import argument_parser, run

_CAPTION = "a small yellow bird with blue wings and a red crown in the snow"


def main() -> int:
    """Runs the three commands as a person would."""
    parser = argument_parser(__doc__)
    parser.add_argument("--model", required=True, help="folder of a run or of a model, or a preset")
    parser.add_argument("--caption", default=_CAPTION, help="sentence to draw")
    parser.add_argument("--seed", default="1", help="seed of its noise")
    parser.add_argument("--out", type=Path, default=Path("served.png"), help="PNG file to write")
    arguments = parser.parse_args()
    if arguments.out.is_dir() or arguments.out.suffix.lower() != ".png":
        parser.error(f"--out must name a .png file. Received: {arguments.out}.")
    with tempfile.TemporaryDirectory() as folder:
        served = Path(folder) / "dmgan"
        export = ["export.saved_model", "--model", arguments.model]
        if code := _run([*export, "--out", served]):
            return code
        server = ["serving.server", "--model", f"dmgan={served}", "--port", 0, "--rest-port", 0]
        with subprocess.Popen(_command(server), stdout=subprocess.PIPE, text=True) as process:
            try:
                line = process.stdout.readline() if process.stdout else ""
                if not (found := re.match(r"gRPC: (\S+)", line)):
                    return process.wait() or 1
                print(line, end="", flush=True)
                ask = ["--caption", arguments.caption, "--seed", arguments.seed]
                ask += ["--out", arguments.out]
                return _run(["serving.client", "--address", found[1], *ask])
            finally:
                process.terminate()


def _command(arguments):
    module, *options = arguments
    return [sys.executable, "-m", f"dmgan_tf.{module}", *map(str, options)]


def _run(arguments):
    return subprocess.run(_command(arguments), check=False).returncode


if __name__ == "__main__":
    run(main)
