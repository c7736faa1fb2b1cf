"""Asks a server of TensorFlow Serving's protocol for pictures, without TensorFlow.

    dmgan ask --caption "a red bird with black wings" --seed 1 --out bird.png
    dmgan ask --status

As a library: `Client("localhost:8500").generate(["a red bird"], [1])` → PNG bytes.
"""

import functools
import json
import re
from collections.abc import Sequence
from pathlib import Path

from dmgan_tf.command_line import argument_parser, run
from dmgan_tf.errors import UserError
from dmgan_tf.whole_file import whole_file

_RETRIED_FIRST_AFTER, _RETRIED_LAST_AFTER = "0.2s", "5s"
_MEBIBYTE = 2**20

try:
    import grpc

    from dmgan_tf.serving import wire
except ImportError as error:
    _MISSING: ImportError | None = error
else:
    _MISSING = None


class CaptionError(ValueError):
    """The server can't draw a caption; the message says which one, and why."""


class Client:
    """A connection to one model of a server; threads may share it.

    Args:
        address: "host:port" of the gRPC service.
        model: name of the served model. version: int, or None for the newest.
        timeout_seconds: float > 0, for a call with all its attempts.
        attempts: int in 1 … 5; a call is tried again, later and later, while the server is
            UNAVAILABLE, and for no other reason.
        max_message_bytes: int > 0, of what is sent and received.
        root_certificates: PEM bytes for TLS; None connects without TLS.
        certificate: (private key, certificate chain), PEM bytes, for a server that asks for them.
        token: str, a bearer token for a server that wants one.
        plaintext_token: bool, whether it may be sent without TLS, for all on the way to read.
    Raises: UserError: where grpcio or protobuf is not installed.
    Raises: ValueError: where a certificate or a token would need TLS.
    Raises (every call): grpc.RpcError: with `code()` and `details()`.
    """

    def __init__(
        self,
        address: str,
        model: str = "dmgan",
        *,
        version: int | None = None,
        timeout_seconds: float = 60.0,
        attempts: int = 5,
        max_message_bytes: int = 64 * _MEBIBYTE,
        root_certificates: bytes | None = None,
        certificate: tuple[bytes, bytes] | None = None,
        token: str | None = None,
        plaintext_token: bool = False,
    ):
        _check_packages()
        if root_certificates is None and (certificate or (token and not plaintext_token)):
            given = "certificate" if certificate else "token"
            raise ValueError(f"`{given}` needs TLS, and so `root_certificates`. Received: None.")
        self._spec = wire.ModelSpec(name=model)
        if version is not None:
            self._spec.version.value = version
        self._timeout_seconds = timeout_seconds
        self._headers = [("authorization", f"Bearer {token}")] if token else []
        options = [
            ("grpc.max_send_message_length", max_message_bytes),
            ("grpc.max_receive_message_length", max_message_bytes),
            ("grpc.service_config", _service_config(attempts)),
        ]
        if root_certificates is None:
            self._channel = grpc.insecure_channel(address, options)
        else:
            credentials = grpc.ssl_channel_credentials(root_certificates, *(certificate or ()))
            self._channel = grpc.secure_channel(address, credentials, options)
        self._predict = self._method("PredictionService/Predict", wire.PredictResponse)
        self._metadata = self._method(
            "PredictionService/GetModelMetadata", wire.GetModelMetadataResponse
        )
        self._status = self._method("ModelService/GetModelStatus", wire.GetModelStatusResponse)

    def _method(self, name, response):
        call = self._channel.unary_unary(
            f"/tensorflow.serving.{name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=response.FromString,
        )
        return functools.partial(call, timeout=self._timeout_seconds, metadata=self._headers)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._channel.close()

    def generate(self, captions: Sequence[str], seeds: Sequence[int]) -> list[bytes]:
        """One PNG a caption.

        Args: captions: at least one. seeds: one a caption, 64 bit.
        Raises: CaptionError: when a caption can't be drawn.
        """
        if not captions or len(captions) != len(seeds):
            raise ValueError(
                "`captions` must not be empty, and `seeds` hold one each. "
                f"Received: {len(captions)} captions, {len(seeds)} seeds."
            )
        request = wire.PredictRequest(model_spec=self._spec)
        caption, seed = request.inputs["caption"], request.inputs["seed"]
        caption.dtype, seed.dtype = wire.DATA_TYPES["DT_STRING"], wire.DATA_TYPES["DT_INT64"]
        for tensor in (caption, seed):
            tensor.tensor_shape.dim.add(size=len(captions))
        # Bytes of a command line that are no UTF-8; the server reads past them.
        caption.string_val.extend(text.encode("utf-8", "surrogateescape") for text in captions)
        seed.int64_val.extend(seeds)
        outputs = self._predict(request).outputs
        for text, error in zip(captions, outputs["error"].string_val, strict=True):
            if error:
                raise CaptionError(f"{text!r}: {error.decode()}")
        return list(outputs["image_bytes"].string_val)

    def status(self) -> dict[int, str]:
        """State of each version that the server knows, such as {1: "AVAILABLE"}."""
        request = wire.GetModelStatusRequest(model_spec=self._spec)
        answer = self._status(request)
        names = {number: name for name, number in wire.VERSION_STATES.items()}
        return {status.version: names[status.state] for status in answer.model_version_status}

    def metadata(self) -> dict[str, dict]:
        """Inputs and outputs of every signature, each "dtype[shape]"."""
        request = wire.GetModelMetadataRequest(
            model_spec=self._spec, metadata_field=["signature_def"]
        )
        answer = self._metadata(request)
        signatures = wire.SignatureDefMap.FromString(answer.metadata["signature_def"].value)
        return {
            name: {
                "inputs": {key: _described(info) for key, info in signature.inputs.items()},
                "outputs": {key: _described(info) for key, info in signature.outputs.items()},
            }
            for name, signature in sorted(signatures.signature_def.items())
        }


def _check_packages():
    if _MISSING:
        raise UserError(
            f"Asking a server needs more packages: pip install 'dmgan_tf[client]' ({_MISSING})."
        ) from _MISSING


def _service_config(attempts):
    policy = {
        "maxAttempts": attempts,
        "initialBackoff": _RETRIED_FIRST_AFTER,
        "maxBackoff": _RETRIED_LAST_AFTER,
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    return json.dumps(
        {
            # All servers behind the address in turn, not the first alone.
            "loadBalancingConfig": [{"round_robin": {}}],
            # gRPC takes one attempt for an error; it means no policy.
            "methodConfig": [{"name": [{}], "retryPolicy": policy}] * (attempts > 1),
        }
    )


def _described(info):
    sizes = ", ".join("?" if d.size < 0 else str(d.size) for d in info.tensor_shape.dim)
    names = {number: name for name, number in wire.DATA_TYPES.items()}
    dtype = names.get(info.dtype, str(info.dtype))
    return f"{dtype.removeprefix('DT_').lower()}[{sizes}]"


def _parser():
    parser = argument_parser(__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--caption", nargs="+", action="extend", help="one sentence or several, each in quotes"
    )
    what.add_argument("--status", action="store_true", help="state of the model's versions")
    what.add_argument("--metadata", action="store_true", help="signatures of the model")
    parser.add_argument("--address", default="localhost:8500", help="host:port of the gRPC service")
    parser.add_argument("--model", default="dmgan", help="name of the served model")
    parser.add_argument("--version", type=int, help="default: the newest")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first picture")
    parser.add_argument("--count", type=int, default=1, help="pictures a caption, of seeds seed, …")
    parser.add_argument("--out", type=Path, default=Path("picture.png"))
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds for a call")
    parser.add_argument("--attempts", type=int, default=5, choices=range(1, 6))
    parser.add_argument("--max-message-mib", type=int, default=64)
    parser.add_argument("--root-certificates", type=Path, help="PEM file; connects with TLS")
    parser.add_argument("--certificate", type=Path, help="PEM file, if the server asks for one")
    parser.add_argument("--private-key", type=Path, help="PEM file of the certificate's key")
    parser.add_argument("--token-file", type=Path, help="bearer token, on the first line")
    parser.add_argument("--plaintext-token", action="store_true", help="send it without TLS")
    return parser


def _arguments():
    parser = _parser()
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


def main() -> int:
    """Asks, and saves the answer."""
    arguments = _arguments()
    _check_packages()
    try:
        roots = arguments.root_certificates and arguments.root_certificates.read_bytes()
        own = arguments.certificate and tuple(
            path.read_bytes() for path in (arguments.private_key, arguments.certificate)
        )
        with Client(
            arguments.address,
            arguments.model,
            version=arguments.version,
            timeout_seconds=arguments.timeout,
            attempts=arguments.attempts,
            max_message_bytes=arguments.max_message_mib * _MEBIBYTE,
            root_certificates=roots,
            certificate=own,
            token=_token(arguments.token_file),
            plaintext_token=arguments.plaintext_token,
        ) as client:
            if arguments.status or arguments.metadata:
                answer = client.status() if arguments.status else client.metadata()
                print(json.dumps(answer, indent=1))
            else:
                _draw(client, arguments)
    except grpc.RpcError as error:
        reason = f"{arguments.address}: {error.code().name}: {error.details()}"
        raise UserError(reason) from error
    except (CaptionError, OSError) as error:
        raise UserError(str(error)) from error
    return 0


def _token(path):
    """The first of the file, which may be the server's own."""
    if path is None:
        return None
    found = path.read_text("utf-8", "replace").partition("\n")[0].strip()
    if not re.fullmatch("[!-~]+", found):
        raise UserError(f"{path} holds no token on its first line.")
    return found


def _draw(client, arguments):
    seeds = list(range(arguments.seed, arguments.seed + arguments.count))
    captions = [caption for caption in arguments.caption for _ in seeds]
    pictures = client.generate(captions, seeds * len(arguments.caption))
    for i, picture in enumerate(pictures, start=1):
        number = f"_{i}" if len(pictures) > 1 else ""
        path = arguments.out.with_stem(arguments.out.stem + number)
        with whole_file(path) as partial:
            partial.write_bytes(picture)
        print(f"Picture: {path}")


if __name__ == "__main__":
    run(main)
