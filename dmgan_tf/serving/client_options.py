"""The client's command line."""

import argparse
import re
from pathlib import Path

from dmgan_tf.caption_options import add_caption
from dmgan_tf.command_line import argument_parser
from dmgan_tf.errors import UserError


def _parser(description):
    parser = argument_parser(description)
    what = parser.add_mutually_exclusive_group(required=True)
    add_caption(what)
    what.add_argument(
        "--status", action="store_true", help="print the state of the model's versions"
    )
    what.add_argument("--metadata", action="store_true", help="print the model's signatures")
    parser.add_argument("--address", default="localhost:8500", help="host:port of the gRPC service")
    parser.add_argument("--model", default="dmgan", help="name of the served model")
    parser.add_argument("--version", type=int, help="version of the model (default: the newest)")
    parser.add_argument("--seed", type=int, default=0, help="seed of each caption's first picture")
    parser.add_argument(
        "--count", type=int, default=1, help="pictures of each caption: seeds SEED, SEED + 1, …"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("picture.png"),
        help="PNG file to write; several pictures become NAME_1.png, NAME_2.png, …: all seeds of "
        "the first caption, then of the next",
    )
    parser.add_argument(
        "--timeout", type=float, default=60.0, help="seconds for a call with all its attempts"
    )
    parser.add_argument(
        "--attempts",
        type=int,
        default=5,
        choices=range(1, 6),
        help="how often a call is tried while the server is unavailable",
    )
    parser.add_argument(
        "--max-message-mib", type=int, default=64, help="largest message sent or received, in MiB"
    )
    parser.add_argument(
        "--root-certificates", type=Path, help="PEM file of authorities; connects with TLS"
    )
    parser.add_argument(
        "--certificate", type=Path, help="PEM file, for a server that asks for a certificate"
    )
    parser.add_argument("--private-key", type=Path, help="PEM file of the certificate's key")
    parser.add_argument(
        "--token-file", type=Path, help="file with a bearer token on its first line"
    )
    parser.add_argument("--plaintext-token", action="store_true", help="send the token without TLS")
    return parser


def parse(description: str) -> argparse.Namespace:
    """The options, checked."""
    parser = _parser(description)
    arguments = parser.parse_args()
    ranges = {
        "count": (1, 10_000),
        "seed": (-(2**63), 2**63 - arguments.count),
        "version": (0, 2**63 - 1),
        "max_message_mib": (1, 2047),
        "timeout": (0.001, 86_400),
    }
    for name, (least, most) in ranges.items():
        value = getattr(arguments, name)
        if value is not None and not least <= value <= most:
            option = name.replace("_", "-")
            parser.error(f"--{option} must lie in {least} … {most}. Received: {value}.")
    if arguments.out.is_dir() or arguments.out.suffix.lower() != ".png":
        parser.error(f"--out must name a .png file. Received: {arguments.out}.")
    if bool(arguments.certificate) != bool(arguments.private_key):
        parser.error("--certificate and --private-key belong together.")
    if arguments.certificate and not arguments.root_certificates:
        parser.error("--certificate needs --root-certificates.")
    if arguments.token_file and not (arguments.root_certificates or arguments.plaintext_token):
        parser.error("--token-file needs --root-certificates, or --plaintext-token.")
    return arguments


def token(path: Path | None) -> str | None:
    """The first token of a file, which may be the server's own.

    Raises: OSError, UserError: when it can't be read, or holds none.
    """
    if path is None:
        return None
    found = path.read_text("utf-8", "replace").partition("\n")[0].strip()
    if not re.fullmatch("[!-~]+", found):
        raise UserError(f"{path} holds no token on its first line.")
    return found
