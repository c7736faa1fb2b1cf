"""TLS for gRPC and REST from one set of files, which may be renewed while the server runs."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

from dmgan_tf.serving.renewed_files import RenewedFiles


@dataclass(frozen=True, slots=True)
class _Identity:
    context: ssl.SSLContext
    configuration: grpc.ServerCertificateConfiguration


class Tls:
    """What new connections are shown, and which clients they are taken from.

    Args: all are PEM files. certificate: the server's, with the chain up to its authority.
        client_authorities: None for any client; otherwise a client needs a certificate of theirs.
    Raises: OSError, ValueError: when the files are no certificate and its key.
    """

    def __init__(self, certificate: Path, private_key: Path, client_authorities: Path | None):
        self._paths = [certificate, private_key]
        if client_authorities:
            self._paths.append(client_authorities)
        self._files = RenewedFiles(self._paths, self._identity)

    def refresh(self) -> None:
        """Reads what has changed; connections that are open go on as they are."""
        self._files.refresh()

    def context(self) -> ssl.SSLContext:
        """A context whose handshakes use the newest files."""

        def take_newest(connection, name, context):
            connection.context = self._files.value.context

        found = self._files.value.context
        found.sni_callback = take_newest  # called whether or not the client names the server
        return found

    def credentials(self) -> grpc.ServerCredentials:
        """Credentials whose handshakes use the newest files."""
        given = self._files.value

        def newest():
            nonlocal given
            if self._files.value is given:
                return None  # as before
            given = self._files.value
            return given.configuration

        return grpc.dynamic_ssl_server_credentials(
            given.configuration, newest, require_client_authentication=len(self._paths) > 2
        )

    def _identity(self, *contents):
        try:
            context = _context(*self._paths)
        except ssl.SSLError as error:
            raise OSError(f"no certificate and its key: {error}") from error
        if contents != tuple(path.read_bytes() for path in self._paths):
            raise OSError("changed while they were read")
        certificate, private_key, *authorities = contents
        configuration = grpc.ssl_server_certificate_configuration(
            [(private_key, certificate)], *authorities
        )
        return _Identity(context, configuration)


def _context(certificate, private_key, client_authorities=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, private_key, password="")  # never asks a terminal
    if client_authorities:
        context.load_verify_locations(client_authorities)
        context.verify_mode = ssl.CERT_REQUIRED
        # A resumed session would not be held against new authorities. TLS 1.2 always resumes: that
        # Python's contexts keep sessions can't be switched off.
        context.num_tickets = 0
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context
