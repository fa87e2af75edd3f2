"""Certificates, and peers that speak TLS, for tests of the TLS port."""

import contextlib
import hashlib
import ssl

import trio
import trustme

from port104.net.credentials import TLSFiles
from raw_peer import RawPeer
from sender import Sender

HOST = "127.0.0.1"


class Site:
    """An authority, and files that it signed."""

    def __init__(self, folder):
        self.folder = folder
        self.authority = trustme.CA()
        self.authorities = self._write("authorities.pem", self.authority.cert_pem.bytes())
        self.certificate, self.key = self.issue("server")

    def _write(self, name, content):
        path = self.folder / name
        path.write_bytes(content)
        return path

    def issue(self, name, authority=None, **facts):
        """Sign a certificate for 127.0.0.1 and `name`; returns its file and its key's."""
        facts = {"common_name": name} | facts
        issued = (authority or self.authority).issue_cert(HOST, f"{name}.local", **facts)
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        return self._write(f"{name}.pem", chain), self._write(
            f"{name}-key.pem", issued.private_key_pem.bytes()
        )

    def client(self, name=None, authority=None, **facts):
        """The context of a peer that trusts the authority and, with `name`, shows a certificate."""
        context = ssl.create_default_context(cafile=self.authorities)
        if name is not None:
            context.load_cert_chain(*self.issue(name, authority, **facts))
        return context

    def fingerprint(self, name):
        pem = self.folder.joinpath(f"{name}.pem").read_text()
        first = pem.split("-----END")[0] + "-----END CERTIFICATE-----"
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(first)).hexdigest()

    def files(self, **changes):
        """What the TLS port is secured with: both sides show certificates."""
        facts = {"certificate": self.certificate, "key": self.key, "authorities": self.authorities}
        return TLSFiles(**(facts | changes))


@contextlib.asynccontextmanager
async def secure_peer(port, context):
    """A RawPeer over TLS."""
    tcp = await trio.open_tcp_stream(HOST, port)
    peer = RawPeer(trio.SSLStream(tcp, context, server_hostname=HOST, https_compatible=True))
    try:
        yield peer
    finally:
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await peer.close()


class SecureSender(Sender):
    """A blocking storage SCU over TLS."""

    def __init__(self, port, context, **facts):
        self._context = context
        super().__init__(port, **facts)

    def _associate(self, request):
        self.socket = self._context.wrap_socket(self.socket, server_hostname=HOST)
        super()._associate(request)
