"""Serves SavedModels by TF Serving's protocol, without Docker: gRPC, REST, health, metrics.

    dmgan serve --model dmgan=serving/models/dmgan

The newest version folder (…/dmgan/1, 2, …) of each model answers; a newer one takes over without
a failed request. SIGTERM and Ctrl-C end what was accepted, then the server.
"""

import argparse
import logging
import os
import signal
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dmgan_tf.command_line import run
from dmgan_tf.errors import UserError

_LOGGER = logging.getLogger("serving")
_MEBIBYTE = 2**20
_SPARE_THREADS = 32  # for health, status and refusals while the queue is full
_THREADS_WITHOUT_BATCHING = 64
_MOST_MESSAGE_MIB = 2047  # a size is a 32-bit number to gRPC


def main() -> int:
    """Serves until it is told to stop."""
    arguments = _arguments()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", force=True
    )
    logging.getLogger("serving").setLevel(logging.INFO)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        _serve(arguments, stop)
    except OSError as error:
        raise UserError(str(error)) from error
    except ImportError as error:
        raise UserError(
            f"Serving needs more packages: pip install 'dmgan_tf[serving]' ({error})."
        ) from error
    return 0


def _arguments():
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--model",
        action="append",
        required=True,
        metavar="NAME=FOLDER",
        type=_name_and_folder,
        help="a model's name and the folder of its versions; may be given several times",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0: all")
    parser.add_argument("--port", type=int, default=8500, help="gRPC; 0: any free port")
    parser.add_argument("--rest-port", type=int, default=8501, help="REST and metrics; 0: any")
    parser.add_argument("--no-batching", action="store_true")
    parser.add_argument("--max-batch-size", type=int, default=32, help="rows of a request or batch")
    parser.add_argument("--batch-timeout-ms", type=float, default=2.0)
    parser.add_argument("--max-queued-rows", type=int, default=256)
    parser.add_argument("--max-string-bytes", type=int, default=2000, help="of one input string")
    parser.add_argument("--max-message-mib", type=int, default=64)
    parser.add_argument("--poll-seconds", type=float, default=1.0, help="to look for new versions")
    parser.add_argument("--drain-seconds", type=float, default=30.0, help="for accepted requests")
    parser.add_argument("--certificate", type=Path, help="PEM file; serves with TLS")
    parser.add_argument("--private-key", type=Path, help="PEM file of the certificate's key")
    arguments = parser.parse_args()
    ranges = {
        "port": (0, 65535),
        "rest_port": (0, 65535),
        "max_batch_size": (1, 2**31),
        "max_queued_rows": (1, 10_000),
        "max_string_bytes": (1, 2**31),
        "max_message_mib": (1, _MOST_MESSAGE_MIB),
        "batch_timeout_ms": (0, 60_000),
        "poll_seconds": (0.05, 3600),
        "drain_seconds": (0, 3600),
    }
    for name, (least, most) in ranges.items():
        if not least <= getattr(arguments, name) <= most:  # NaN is in no range
            option = name.replace("_", "-")
            parser.error(f"--{option} must lie in {least} … {most}.")
    if bool(arguments.certificate) != bool(arguments.private_key):
        parser.error("--certificate and --private-key belong together.")
    return arguments


def _name_and_folder(text):
    name, _, folder = text.partition("=")
    if not name or not folder:
        raise argparse.ArgumentTypeError(f"must be NAME=FOLDER. Received: {text}")
    if not Path(folder).is_dir():
        raise argparse.ArgumentTypeError(f"{folder} is no folder")
    return name, Path(folder)


def _serve(arguments, stop):
    import grpc
    from grpc_health.v1 import health, health_pb2, health_pb2_grpc
    from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

    from dmgan_tf.serving.grpc_services import ModelService, PredictionService
    from dmgan_tf.serving.metrics import answered
    from dmgan_tf.serving.models import Limits, Models

    limits = Limits(
        batching=not arguments.no_batching,
        max_batch_size=arguments.max_batch_size,
        batch_timeout_seconds=arguments.batch_timeout_ms / 1000,
        max_queued_rows=arguments.max_queued_rows,
        max_string_bytes=arguments.max_string_bytes,
    )
    max_message_bytes = arguments.max_message_mib * _MEBIBYTE
    key = certificate = None
    if arguments.certificate:
        files = arguments.certificate, arguments.private_key
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*files)
        except ssl.SSLError as error:
            raise OSError(f"{files[0]}, {files[1]}: no certificate and its key: {error}") from error
        certificate, key = (path.read_bytes() for path in files)
    models = Models(dict(arguments.model), limits, arguments.poll_seconds)
    # A thread for each request that may wait in the queue: what comes beyond it is refused at once
    # instead of piling up before the threads, with the health checks behind it.
    count = arguments.max_queued_rows + _SPARE_THREADS
    count = _THREADS_WITHOUT_BATCHING if arguments.no_batching else count
    server = grpc.server(
        ThreadPoolExecutor(count, "rpc"),
        options=[
            ("grpc.max_send_message_length", max_message_bytes),
            ("grpc.max_receive_message_length", max_message_bytes),
            ("grpc.so_reuseport", 0),  # a second server on the port must fail, not share it
        ],
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        PredictionService(models), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(models), server)
    healthy = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    address = f"{arguments.host}:{arguments.port}"
    try:
        if certificate:
            credentials = grpc.ssl_server_credentials([(key, certificate)])
            port = server.add_secure_port(address, credentials)
        else:
            port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(
            f"{address} can't be listened on: is the port taken, or the host another machine?"
        ) from error
    rest, rest_thread, rest_port = _start_rest(arguments, models, max_message_bytes)
    server.start()
    ready = health_pb2.HealthCheckResponse.SERVING
    healthy.set("", ready if models.available() else health_pb2.HealthCheckResponse.NOT_SERVING)
    print(f"gRPC: {arguments.host}:{port}  REST: {arguments.host}:{rest_port}", flush=True)
    while not stop.wait(arguments.poll_seconds):
        if not rest_thread.is_alive():
            raise OSError("The REST interface has ended; see the log.")
        serving = models.available()
        healthy.set("", ready if serving else health_pb2.HealthCheckResponse.NOT_SERVING)
    _LOGGER.info("Ending what was accepted.")
    healthy.enter_graceful_shutdown()
    rest.should_exit = True
    server.stop(arguments.drain_seconds).wait()
    rest_thread.join(arguments.drain_seconds)
    models.close()
    _LOGGER.info("Ended; %d requests were answered.", answered())


def _start_rest(arguments, models, max_message_bytes):
    import socket

    import uvicorn

    from dmgan_tf.serving.rest import application

    listening = socket.create_server((arguments.host, arguments.rest_port))
    config = uvicorn.Config(
        application(models, max_message_bytes),
        log_level="warning",
        ssl_certfile=arguments.certificate,
        ssl_keyfile=arguments.private_key,
        timeout_graceful_shutdown=int(arguments.drain_seconds),
    )
    server = uvicorn.Server(config)
    # Signals are this file's: uvicorn sets its own handlers in the main thread alone.
    thread = threading.Thread(target=server.run, args=([listening],), name="rest", daemon=True)
    thread.start()
    return server, thread, listening.getsockname()[1]


if __name__ == "__main__":
    run(main)
