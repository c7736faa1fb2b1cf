"""The server's command line."""

import argparse
import re
from pathlib import Path

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
    found = argparse.ArgumentParser(description=description)
    add = found.add_argument
    add(
        "--model",
        action="append",
        required=True,
        metavar="NAME=FOLDER",
        type=_name_and_folder,
        help="a model's name and the folder of its versions; may be given several times",
    )
    add("--num-versions", type=int, default=1, help="that answer of each model, the newest first")
    add(
        "--version",
        action="append",
        default=[],
        metavar="NAME=N",
        type=_name_and_number,
        help="a version that answers instead of the newest; may be given several times",
    )
    add(
        "--label",
        action="append",
        default=[],
        metavar="NAME/LABEL=N",
        type=_label_and_number,
        help="a name for a version, such as dmgan/stable=7; may be given several times",
    )
    add(
        "--allow-reload",
        action="append",
        default=[],
        metavar="FOLDER",
        type=_folder,
        help="take reload requests over gRPC, for models below this folder; default: none",
    )
    add("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0: all")
    add("--port", type=int, default=8500, help="gRPC; 0: any free port")
    add("--rest-port", type=int, default=8501, help="REST and metrics; 0: any")
    add("--no-batching", action="store_true")
    add("--max-batch-size", type=int, default=32, help="rows of a request or batch")
    add("--batch-timeout-ms", type=float, default=2.0, help="wait for others to share a batch")
    add("--max-calls", type=int, default=8, help="of a model at a time without batching")
    add("--max-queued-rows", type=int, default=256, help="that wait for a model")
    add("--max-row-values", type=int, default=1024, help="of an input of no fixed size, in a row")
    add("--max-string-bytes", type=int, default=2000, help="of one input string")
    add("--max-message-mib", type=int, default=1, help="of a gRPC request")
    add("--max-body-kib", type=int, default=1024, help="of a REST request")
    add("--max-connections", type=int, default=512, help="of REST")
    add("--max-connection-age-seconds", type=float, default=300.0, help="of gRPC")
    add("--max-connection-idle-seconds", type=float, default=60.0, help="of gRPC, without a call")
    add(
        "--receive-seconds",
        type=float,
        default=10.0,
        help="for a handshake; a REST request's head, its body; a gRPC request",
    )
    add("--answer-seconds", type=float, default=60.0, help="for an answer, if no deadline is given")
    add("--poll-seconds", type=float, default=1.0, help="to look for new versions")
    add("--drain-seconds", type=float, default=30.0, help="for accepted requests")
    add("--certificate", type=Path, help="PEM file; serves with TLS")
    add("--private-key", type=Path, help="PEM file of the certificate's key")
    add(
        "--client-authorities",
        type=Path,
        help="PEM file; takes only clients with a certificate that one of these has signed",
    )
    add("--token-file", type=Path, help="bearer tokens, one a line; calls must carry one of them")
    add(
        "--studio",
        action="store_true",
        help="a web page at / of REST's port, which draws with the (first) --model",
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
