"""Certificates as files, which are replaced as they are in operation."""

import trustme


class Files:
    """PEM files of a server for localhost, and of its clients."""

    def __init__(self, folder):
        folder.mkdir(exist_ok=True)
        self.certificate, self.key = folder / "certificate.pem", folder / "key.pem"
        self.root, self.clients = folder / "root.pem", folder / "clients.pem"
        self.renew()
        self.client_authority = self.renew_clients()

    def renew(self):
        """A new certificate, of a new authority."""
        authority = trustme.CA()
        issued = authority.issue_cert("localhost")
        for pem, path in (
            (issued.private_key_pem, self.key),
            (issued.cert_chain_pems[0], self.certificate),
            (authority.cert_pem, self.root),
        ):
            replace(path, pem.bytes())

    def renew_clients(self):
        """A new authority of clients, the only one."""
        authority = trustme.CA()
        replace(self.clients, authority.cert_pem.bytes())
        return authority

    @property
    def server(self):
        return "--certificate", self.certificate, "--private-key", self.key

    def client(self, authority=None):
        """(key, certificate) of a client."""
        issued = (authority or self.client_authority).issue_cert("client@example.org")
        return issued.private_key_pem.bytes(), issued.cert_chain_pems[0].bytes()


def replace(path, content):
    """Never half-written where the server looks."""
    path.with_suffix(".part").write_bytes(content)
    path.with_suffix(".part").rename(path)


def localhost(address):
    """The address by the name that certificates have."""
    return address.replace("127.0.0.1", "localhost")
