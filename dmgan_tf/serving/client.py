"""Asks a server of TensorFlow Serving's protocol for pictures, without TensorFlow.

    dmgan ask --caption "a red bird with black wings" --seed 1 --out bird.png
    dmgan ask --status

As a library: `Client("localhost:8500").generate(["a red bird"], [1])` → PNG bytes.
"""

import functools
import json
import logging
import re
from collections.abc import Sequence

from dmgan_tf.command_line import run
from dmgan_tf.data.tokens import tokenize
from dmgan_tf.errors import UserError
from dmgan_tf.serving import client_options
from dmgan_tf.whole_file import whole_file

_RETRIED_FIRST_AFTER, _RETRIED_LAST_AFTER = "0.2s", "5s"
_MEBIBYTE = 2**20
# gRPC's own words of a server that is not there; a server that refuses has others.
_NOT_REACHED = "last error|failed to connect|errors resolving|DNS"
_WORDS_A_CALL = 16  # rows of a request, of which servers take few

_LOGGER = logging.getLogger(__name__)

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
        request = self._request_of(captions)
        seed = request.inputs["seed"]
        seed.dtype = wire.DATA_TYPES["DT_INT64"]
        seed.tensor_shape.dim.add(size=len(seeds))
        seed.int64_val.extend(seeds)
        outputs = self._predict(request).outputs
        for text, error in zip(captions, outputs["error"].string_val, strict=True):
            if error:
                raise CaptionError(f"{text!r}: {error.decode()}")
        return list(outputs["image_bytes"].string_val)

    def unknown_words(self, captions: Sequence[str]) -> set[str]:
        """The words of captions that the model does not know, and so leaves out.

        Raises: grpc.RpcError: also where the model has no signature `encode_text`.
        """
        words = sorted({word for caption in captions for word in tokenize(caption)})
        unknown = set()
        for start in range(0, len(words), _WORDS_A_CALL):
            part = words[start : start + _WORDS_A_CALL]
            request = self._request_of(part)
            request.model_spec.signature_name = "encode_text"
            request.output_filter.append("error")
            errors = self._predict(request).outputs["error"].string_val
            unknown |= {word for word, error in zip(part, errors, strict=True) if error}
        return unknown

    def _request_of(self, captions):
        request = wire.PredictRequest(model_spec=self._spec)
        caption = request.inputs["caption"]
        caption.dtype = wire.DATA_TYPES["DT_STRING"]
        caption.tensor_shape.dim.add(size=len(captions))
        # Bytes of a command line that are no UTF-8; the server reads past them.
        caption.string_val.extend(text.encode("utf-8", "surrogateescape") for text in captions)
        return request

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


def main() -> int:
    """Asks, and saves the answer."""
    arguments = client_options.parse(__doc__ or "")
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
            token=client_options.token(arguments.token_file),
            plaintext_token=arguments.plaintext_token,
        ) as client:
            if arguments.status or arguments.metadata:
                answer = client.status() if arguments.status else client.metadata()
                print(json.dumps(answer, indent=1))
            else:
                _draw(client, arguments)
    except grpc.RpcError as error:
        raise UserError(f"{arguments.address}: {_told(error, arguments.timeout)}") from error
    except (CaptionError, OSError) as error:
        raise UserError(str(error)) from error
    return 0


def _told(error, timeout):
    """What failed and, where that can be known, what to do."""
    code, details = error.code(), " ".join(error.details().split())
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return (
            f"no answer within {timeout:g} s. Look whether a server runs there, or give a longer "
            "--timeout."
        )
    if code is grpc.StatusCode.UNAVAILABLE and re.search(_NOT_REACHED, details):
        reason = details.rpartition(": ")[2].strip("].")  # before it, gRPC's names of its parts
        return (
            f"no server can be reached ({reason}). Start one with `dmgan serve`, or give the "
            "--address of one; one with TLS needs --root-certificates."
        )
    return f"{code.name}: {details}"


def _draw(client, arguments):
    seeds = list(range(arguments.seed, arguments.seed + arguments.count))
    captions = [caption for caption in arguments.caption for _ in seeds]
    pictures = client.generate(captions, seeds * len(arguments.caption))
    for i, picture in enumerate(pictures):
        path, label = arguments.out, ""
        if len(pictures) > 1:
            path = path.with_stem(f"{path.stem}_{i + 1}")
            label = f"  {captions[i]}" + f" (seed {seeds[i % len(seeds)]})" * (len(seeds) > 1)
        with whole_file(path) as partial:
            partial.write_bytes(picture)
        print(f"Picture: {path}{label}")
    _warn_of_unknown_words(client, arguments.caption)


def _warn_of_unknown_words(client, captions):
    try:
        unknown = client.unknown_words(captions)
    except grpc.RpcError:  # a model of another export; its pictures are there all the same
        return
    for caption in captions:
        if left_out := [word for word in tokenize(caption) if word in unknown]:
            _LOGGER.warning("Left out of %r, not known to this model: %s", caption, left_out)


if __name__ == "__main__":
    run(main)
