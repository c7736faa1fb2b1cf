"""Serves SavedModels by TF Serving's protocol, without Docker: gRPC, REST, health, metrics.

    dmgan serve --model dmgan=serving/models/dmgan

The newest version folder (…/dmgan/1, 2, …) of each model answers; a newer one takes over without
a failed request, and an older one again when it is deleted. SIGTERM and Ctrl-C end what was
accepted, then the server; a second one ends it at once.
"""

import contextlib
import logging
import os
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

from dmgan_tf.command_line import run
from dmgan_tf.errors import UserError
from dmgan_tf.serving import options

_LOGGER = logging.getLogger("serving")
_MEBIBYTE, _KIBIBYTE = 2**20, 2**10
_SPARE_THREADS = 32  # for health, status and refusals while the queue is full
_MOST_RUNNING = 1000  # requests in a batch
_MOST_SLOW = 256  # calls of gRPC that wait for their callers, of those with and without a token
_MOST_STREAMS = 256  # calls of a connection at a time: a client alone makes none slow


def main() -> int:
    """Serves until it is told to stop."""
    arguments = options.parse((__doc__ or "").splitlines()[0])
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", force=True
    )
    logging.getLogger("serving").setLevel(logging.INFO)
    stop = threading.Event()

    def end(number, _):
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    try:
        _serve(arguments, stop)
    except OSError as error:
        raise UserError(str(error)) from error
    except ImportError as error:
        raise UserError(
            f"Serving needs more packages: pip install 'dmgan_tf[serving]' ({error})."
        ) from error
    return 0


def _serve(arguments, stop):
    from dmgan_tf.serving import tracing
    from dmgan_tf.serving.metrics import answered
    from dmgan_tf.serving.slow_callers import SlowCallers

    tracing.start()
    _take_all_descriptors()
    tls, tokens = _tls(arguments), _tokens(arguments)
    for port in (arguments.port, arguments.rest_port):
        _check_free(arguments.host, port)  # before models are loaded, which takes seconds
    models = _models(arguments)
    slow = SlowCallers(arguments.receive_seconds, arguments.answer_seconds, _MOST_SLOW)
    server, port = _grpc_server(arguments, models, tls, tokens, slow)
    rest = _rest_server(arguments, models, tls, tokens)
    server.start()
    print(f"gRPC: {arguments.host}:{port}  REST: {arguments.host}:{rest.port}", flush=True)
    while not stop.wait(arguments.poll_seconds):
        if not rest.is_alive():
            raise OSError("The REST interface has ended; see the log.")
        for renewed in filter(None, (tls, tokens)):
            renewed.refresh()
        slow.give_up()
    _LOGGER.info("Ending what was accepted.")
    rest.tell_to_stop()
    server.stop(arguments.drain_seconds).wait()
    rest.join()
    models.close()
    tracing.stop()
    _LOGGER.info("Ended; %d requests were answered.", answered())


def _check_free(host, port):
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        raise OSError(
            f"{host}:{port} can't be listened on: {error.strerror}. Name others by --port, "
            "--rest-port and --host."
        ) from error


def _take_all_descriptors():
    """Each connection needs one; a process begins with fewer than it may have."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # Windows has no such limit
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _models(arguments):
    from dmgan_tf.serving.limits import Limits
    from dmgan_tf.serving.served_models import ServedModels

    limits = Limits(
        batching=not arguments.no_batching,
        max_batch_size=arguments.max_batch_size,
        batch_timeout_seconds=arguments.batch_timeout_ms / 1000,
        max_calls=arguments.max_calls,
        max_queued_rows=arguments.max_queued_rows,
        max_row_values=arguments.max_row_values,
        max_string_bytes=arguments.max_string_bytes,
        answer_seconds=arguments.answer_seconds,
        drain_seconds=arguments.drain_seconds,
    )
    return ServedModels(arguments.sources, limits, arguments.poll_seconds)


def _tls(arguments):
    from dmgan_tf.serving.tls import Tls

    if not arguments.certificate:
        return None
    files = arguments.certificate, arguments.private_key, arguments.client_authorities
    try:
        return Tls(*files)
    except (OSError, ValueError) as error:
        raise OSError(f"{', '.join(map(str, filter(None, files)))}: {error}") from error


def _tokens(arguments):
    from dmgan_tf.serving.authorization import Tokens

    try:
        return arguments.token_file and Tokens(arguments.token_file)
    except ValueError as error:
        raise OSError(f"{arguments.token_file}: {error}") from error


def _rest_server(arguments, models, tls, tokens):
    from dmgan_tf.serving import kserve_rest
    from dmgan_tf.serving.authorization import TokenMiddleware
    from dmgan_tf.serving.http_server import HttpServer
    from dmgan_tf.serving.rest import RestInterface, application

    interface = RestInterface(models, arguments.max_body_kib * _KIBIBYTE, arguments.receive_seconds)
    served = application(
        [*interface.routes(), *kserve_rest.routes(interface), *_page(arguments, models)]
    )
    return HttpServer(
        TokenMiddleware(served, tokens) if tokens else served,
        arguments.host,
        arguments.rest_port,
        max_connections=arguments.max_connections,
        receive_seconds=arguments.receive_seconds,
        drain_seconds=arguments.drain_seconds,
        tls=tls.context() if tls else None,
    )


def _page(arguments, models):
    from dmgan_tf.serving import studio_page

    return studio_page.routes(models, next(iter(arguments.sources))) if arguments.studio else []


def _grpc_server(arguments, models, tls, tokens, slow):
    """The server, not started yet, and its port."""
    import grpc
    from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

    from dmgan_tf.serving import grpc_health
    from dmgan_tf.serving.authorization import TokenInterceptor
    from dmgan_tf.serving.grpc_services import ModelService, PredictionService, Room
    from dmgan_tf.serving.kserve_grpc import InferenceService
    from dmgan_tf.serving.reload import Reload

    # A thread for each request that may wait for a model: what comes beyond them is refused at once
    # instead of piling up before the threads, with the health checks behind it.
    running = arguments.max_calls if arguments.no_batching else arguments.max_batch_size
    waiting = len(arguments.sources) * (arguments.max_queued_rows + min(running, _MOST_RUNNING))
    room, threads = Room(waiting), waiting + 2 * _MOST_SLOW + _SPARE_THREADS
    server = grpc.server(
        ThreadPoolExecutor(threads, "rpc"),
        interceptors=[slow, *([TokenInterceptor(tokens)] if tokens else [])],
        maximum_concurrent_rpcs=2 * threads,
        options=[
            ("grpc.max_send_message_length", -1),  # answers are as large as the model's outputs
            ("grpc.max_receive_message_length", arguments.max_message_mib * _MEBIBYTE),
            ("grpc.server_handshake_timeout_ms", int(arguments.receive_seconds * 1000)),
            ("grpc.max_concurrent_streams", _MOST_STREAMS),
            ("grpc.max_connection_idle_ms", int(arguments.max_connection_idle_seconds * 1000)),
            # Clients connect anew from time to time, and so find servers that were added.
            ("grpc.max_connection_age_ms", int(arguments.max_connection_age_seconds * 1000)),
            ("grpc.max_connection_age_grace_ms", int(arguments.answer_seconds * 1000)),
            ("grpc.so_reuseport", 0),  # a second server on the port must fail, not share it
        ],
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        PredictionService(models, room), server
    )
    reload = Reload(arguments.allow_reload, arguments.num_versions)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(models, reload), server)
    server.add_generic_rpc_handlers(
        [InferenceService(models, room).handler(), grpc_health.handler(models)]
    )
    address = f"{arguments.host}:{arguments.port}"
    try:
        if tls:
            return server, server.add_secure_port(address, tls.credentials())
        return server, server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(
            f"{address} can't be listened on: the port is taken, or the host is another machine. "
            "Name others by --port and --host."
        ) from error


if __name__ == "__main__":
    run(main)
