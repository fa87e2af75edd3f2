"""The certificate of the API: checked and kept fresh as that of the TLS port, and made fit for trio."""

import ssl
import time
from pathlib import Path

from OpenSSL import SSL

from port104.errors import ConfigurationError
from port104.net.credentials import CIPHER_SUITES, Credentials, TLSFiles
from port104.service.settings.api import ApiTlsSettings

_VERSIONS = {
    "1.2": (SSL.TLS1_2_VERSION, ssl.TLSVersion.TLSv1_2),
    "1.3": (SSL.TLS1_3_VERSION, ssl.TLSVersion.TLSv1_3),
}


class HTTPSCredentials(Credentials):
    """`https`: what new connections are secured with. It changes when files do."""

    def __init__(self, files: TLSFiles, minimum: ssl.TLSVersion, now: float) -> None:
        """Read the files at `now` (seconds of the epoch). Raises ConfigurationError."""
        super().__init__(files, now)
        self._minimum = minimum
        self.https = _context(files, minimum)

    def reload(self, now: float, *, force: bool = False) -> bool:
        """As Credentials'."""
        taken = super().reload(now, force=force)
        if taken:
            self.https = _context(self._files, self._minimum)
        return taken


def https_from(tls: ApiTlsSettings) -> HTTPSCredentials | None:
    """Read what the API is secured with; None where it is not. Raises ConfigurationError."""
    if tls.certificate is None:
        return None
    checked, minimum = _VERSIONS[tls.minimum_version]
    files = TLSFiles(
        certificate=Path(tls.certificate),
        key=Path(tls.key) if tls.key else None,
        password=Path(tls.password_file) if tls.password_file else None,
        minimum_version=checked,
    )
    try:
        return HTTPSCredentials(files, minimum, time.time())
    except ConfigurationError as fault:
        raise ConfigurationError(f"api.tls: {fault}") from fault


def _context(files: TLSFiles, minimum: ssl.TLSVersion) -> ssl.SSLContext:
    """Make a context of files that were checked a moment ago. Raises ConfigurationError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = minimum
    context.set_ciphers(":".join(CIPHER_SUITES))
    context.set_alpn_protocols(["http/1.1"])
    try:
        password = files.password.read_bytes().strip(b"\r\n") if files.password else b""
        context.load_cert_chain(files.certificate, files.key, password)
    except OSError as failure:
        raise ConfigurationError(f"{files.certificate} cannot be used: {failure}") from failure
    return context
