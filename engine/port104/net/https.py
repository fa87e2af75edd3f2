"""TLS for requests over HTTP: what DIMSE peers are called with, as the standard library has it."""

import ssl
from pathlib import Path

from port104.errors import ConfigurationError
from port104.net.credentials import CIPHER_SUITES, TLSFiles, build_calling_context


def build_https_context(*, authorities: Path | None, own: TLSFiles | None) -> ssl.SSLContext:
    """Make the context that web servers are called with; as net.credentials.build_calling_context.

    Raises ConfigurationError.
    """
    build_calling_context(authorities=authorities, own=own)  # says in words what is wrong with a file
    try:
        context = ssl.create_default_context(cafile=authorities)
        if own is not None:
            password = own.password.read_bytes().strip(b"\r\n") if own.password else b""
            context.load_cert_chain(own.certificate, own.key, password)
    except OSError as failure:
        raise ConfigurationError(
            f"the files of dicom.scu.tls cannot be used: {failure.strerror}"
        ) from failure
    context.set_ciphers(":".join(CIPHER_SUITES))
    # As for DIMSE: a server's own certificate may stand among the authorities, and old ones are no stricter.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
