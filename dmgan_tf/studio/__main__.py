"""Writes the studio, a web page in whose reader's browser a model draws, or serves it here.

dmgan studio --model toy_birds --out studio     # static files for any web host
dmgan studio --model toy_birds --serve          # on 127.0.0.1, until Ctrl-C
"""

import argparse
import contextlib
import tempfile
from pathlib import Path

from dmgan_tf.command_line import argument_parser, run
from dmgan_tf.errors import UserError
from dmgan_tf.inference.presets import locate
from dmgan_tf.remote.store import local_path
from dmgan_tf.studio import folder
from dmgan_tf.studio.static_server import make_server


def parse_arguments() -> argparse.Namespace:
    """The command line's arguments."""
    parser = argument_parser(__doc__)
    parser.add_argument(
        "--model", type=locate, required=True, help="run, model, preset, or ONNX export --stages"
    )
    parser.add_argument(
        "--out",
        type=local_path,
        help="folder to write; a new one (default without --serve: studio)",
    )
    parser.add_argument("--serve", action="store_true", help="serve it on 127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="to serve on; 0: any free port")
    arguments = parser.parse_args()
    if not (arguments.out or arguments.serve):
        arguments.out = Path("studio")
    if not 0 <= arguments.port <= 65535:
        parser.error(f"--port must lie in 0 … 65535. Received: {arguments.port}.")
    return arguments


def main() -> int:
    """Writes, and serves."""
    arguments = parse_arguments()
    with contextlib.ExitStack() as stack:
        out = arguments.out
        if not out:
            out = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "studio"
        # A port that is taken is told before the model is exported.
        server = stack.enter_context(_server(out, arguments.port)) if arguments.serve else None
        folder.write(arguments.model, out)
        if arguments.out:
            print(f"Studio: {out}", flush=True)
        if server:
            print(f"Studio: http://127.0.0.1:{server.server_port}/", flush=True)
            server.serve_forever()
    return 0


def _server(out, port):
    try:
        return make_server(out, port)
    except OSError as error:
        raise UserError(f"--port {port}: can't be listened on: {error.strerror}.") from error


if __name__ == "__main__":
    run(main)
