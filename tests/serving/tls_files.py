"""Certificates as files, which are replaced as they are in operation."""

import trustme


class Files:
    """PEM files of a server for localhost, and of its clients."""

    def __init__(self, folder):
        folder.mkdir(exist_ok=True)
        self.certificate, self.key = folder / "certificate.pem", folder / "key.pem"
        self.root, self.clients = folder / "root.pem", folder / "clients.pem"
        self.renew()
        self.client_authority = trustme.CA()
        self.client_authority.cert_pem.write_to_path(self.clients)

    def renew(self):
        """A new certificate, of a new authority."""
        authority = trustme.CA()
        issued = authority.issue_cert("localhost")
        for pem, path in (
            (issued.private_key_pem, self.key),
            (issued.cert_chain_pems[0], self.certificate),
            (authority.cert_pem, self.root),
        ):
            pem.write_to_path(path.with_suffix(".part"))
            path.with_suffix(".part").rename(path)

    @property
    def server(self):
        return "--certificate", self.certificate, "--private-key", self.key

    def client(self, authority=None):
        """(key, certificate) of a client."""
        issued = (authority or self.client_authority).issue_cert("client@example.org")
        return issued.private_key_pem.bytes(), issued.cert_chain_pems[0].bytes()


def localhost(address):
    """The address by the name that certificates have."""
    return address.replace("127.0.0.1", "localhost")
