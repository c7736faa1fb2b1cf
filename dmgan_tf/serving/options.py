"""The server's command line."""

import argparse
import re
from pathlib import Path

from dmgan_tf.command_line import argument_parser
from dmgan_tf.serving.source import Source

_MOST_MESSAGE_MIB = 2047  # a size is a 32-bit number to gRPC
_RANGES = {
    "port": (0, 65535),
    "rest_port": (0, 65535),
    "num_versions": (1, 1000),
    "max_batch_size": (1, 2**31),
    "batch_timeout_ms": (0, 60_000),
    "max_calls": (1, 1000),
    "max_queued_rows": (1, 10_000),
    "max_row_values": (1, 2**31),
    "max_string_bytes": (1, 2**31),
    "max_message_mib": (1, _MOST_MESSAGE_MIB),
    "max_body_kib": (1, 2**21),
    "max_connections": (1, 100_000),
    "max_connection_age_seconds": (1, 10**6),
    "max_connection_idle_seconds": (1, 10**6),
    "receive_seconds": (0.1, 3600),
    "answer_seconds": (0.1, 3600),
    "poll_seconds": (0.05, 3600),
    "drain_seconds": (0, 3600),
}


def parser(description: str) -> argparse.ArgumentParser:
    """All options, with their defaults."""
    found = argument_parser(description)
    add = found.add_argument
    add(
        "--model",
        action="append",
        required=True,
        metavar="NAME=FOLDER",
        type=_name_and_folder,
        help="name of a model and the folder of its versions; may be given several times",
    )
    add("--num-versions", type=int, default=1, help="how many of a model's newest versions answer")
    add(
        "--version",
        action="append",
        default=[],
        metavar="NAME=N",
        type=_name_and_number,
        help="version that answers instead of the newest; may be given several times",
    )
    add(
        "--label",
        action="append",
        default=[],
        metavar="NAME/LABEL=N",
        type=_label_and_number,
        help="name for a version, such as dmgan/stable=7; may be given several times",
    )
    add(
        "--allow-reload",
        action="append",
        default=[],
        metavar="FOLDER",
        type=_folder,
        help="folder below which reload requests over gRPC may name models; may be given several "
        "times (default: no reload requests)",
    )
    add("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0: all addresses")
    add("--port", type=int, default=8500, help="port of gRPC; 0: any free port")
    add("--rest-port", type=int, default=8501, help="port of REST and metrics; 0: any free port")
    add("--no-batching", action="store_true", help="run every request by itself")
    add("--max-batch-size", type=int, default=32, help="most rows of a request, and of a batch")
    add(
        "--batch-timeout-ms",
        type=float,
        default=2.0,
        help="how long a request waits for others to share a batch",
    )
    add(
        "--max-calls",
        type=int,
        default=8,
        help="most calls of a model at a time, with --no-batching",
    )
    add("--max-queued-rows", type=int, default=256, help="most rows that wait for a model")
    add(
        "--max-row-values",
        type=int,
        default=1024,
        help="most values in a row of an input whose size is not fixed",
    )
    add("--max-string-bytes", type=int, default=2000, help="largest input string")
    add("--max-message-mib", type=int, default=1, help="largest gRPC request")
    add("--max-body-kib", type=int, default=1024, help="largest REST request")
    add("--max-connections", type=int, default=512, help="most connections to REST at a time")
    add(
        "--max-connection-age-seconds",
        type=float,
        default=300.0,
        help="how long a gRPC connection may last",
    )
    add(
        "--max-connection-idle-seconds",
        type=float,
        default=60.0,
        help="how long a gRPC connection may last without a call",
    )
    add(
        "--receive-seconds",
        type=float,
        default=10.0,
        help="how long a handshake, the head or the body of a REST request, or a gRPC request may "
        "take to arrive",
    )
    add(
        "--answer-seconds",
        type=float,
        default=60.0,
        help="how long an answer may take, where the request names no deadline",
    )
    add("--poll-seconds", type=float, default=1.0, help="time between looks for new versions")
    add(
        "--drain-seconds",
        type=float,
        default=30.0,
        help="how long accepted requests may go on when the server is told to stop",
    )
    add("--certificate", type=Path, help="PEM file of the server's certificate; serves with TLS")
    add("--private-key", type=Path, help="PEM file of the certificate's key")
    add(
        "--client-authorities",
        type=Path,
        help="PEM file of authorities; only clients with a certificate of one of them are served",
    )
    add(
        "--token-file",
        type=Path,
        help="file with a bearer token on each line, one of which a call must carry",
    )
    add(
        "--studio",
        action="store_true",
        help="offer a web page at / of REST's port, which draws with the (first) --model",
    )
    return found


def parse(description: str) -> argparse.Namespace:
    """The options, checked; `sources` holds the models by name."""
    found = parser(description)
    arguments = found.parse_args()
    for name, (least, most) in _RANGES.items():
        if not least <= getattr(arguments, name) <= most:  # NaN is in no range
            option = name.replace("_", "-")
            found.error(f"--{option} must lie in {least} … {most}.")
    if bool(arguments.certificate) != bool(arguments.private_key):
        found.error("--certificate and --private-key belong together.")
    if arguments.client_authorities and not arguments.certificate:
        found.error("--client-authorities needs --certificate and --private-key.")
    if arguments.studio and arguments.token_file:
        found.error("--studio and --token-file exclude each other: a browser shows no token.")
    folders = dict(arguments.model)
    for option, names in (
        ("version", [name for name, _ in arguments.version]),
        ("label", [name for name, _, _ in arguments.label]),
    ):
        if unknown := sorted(set(names) - set(folders)):
            found.error(f"--{option} names {unknown[0]}, which no --model has.")
    arguments.sources = {name: _source(name, path, arguments) for name, path in folders.items()}
    return arguments


def _source(name, folder, arguments):
    return Source(
        base_path=folder.resolve(),
        newest=arguments.num_versions,
        pinned=frozenset(number for model, number in arguments.version if model == name),
        labels={label: number for model, label, number in arguments.label if model == name},
    )


def _folder(text):
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no folder")
    return Path(text)


def _name_and_folder(text):
    name, _, folder = text.partition("=")
    if not (name and folder and Path(folder).is_dir()):
        raise argparse.ArgumentTypeError(
            f"must be NAME=FOLDER, the folder of an export. Received: {text}. "
            "Export a model first: dmgan export saved-model --model MODEL --out FOLDER."
        )
    return name, Path(folder)


def _name_and_number(text):
    if not (found := re.fullmatch(r"(.+)=([0-9]{1,18})", text, re.ASCII)):
        raise argparse.ArgumentTypeError(f"must be NAME=N. Received: {text}")
    return found[1], int(found[2])


def _label_and_number(text):
    if not (found := re.fullmatch(r"(.+)/([^/=]+)=([0-9]{1,18})", text, re.ASCII)):
        raise argparse.ArgumentTypeError(f"must be NAME/LABEL=N. Received: {text}")
    return found[1], found[2], int(found[3])
