"""TLS handshakes that failed, and what mends them; apart from tls.py, which takes long to load."""

import errno

# What mends a failed handshake, by OpenSSL's words for it.
_HINTS = {
    "http request": "the peer speaks HTTP here",
    "wrong version number": "the peer does not speak TLS: have it call dicom.scp.port, or turn TLS on there;"
    " a load balancer that says who calls is to be named in dicom.scp.proxyProtocol.from",
    "unsupported protocol": "the peer knows old versions of TLS only; PS3.15 B.12 asks for 1.2 at least",
    "no shared cipher": "the peer must offer a cipher suite of PS3.15 B.12, and one for the kind of our key",
    "peer did not return a certificate": "have the peer show a certificate, or set"
    " dicom.scp.tls.requireClientCertificate to false",
    "certificate verify failed": "have the peer show a certificate that an authority in"
    " dicom.scp.tls.clientCertificateAuthorities signed, or add its own there",
    "tlsv1 alert unknown ca": "the peer does not trust our certificate: give it the authority that signed it",
    "ssl/tls alert bad certificate": "the peer does not accept our certificate",
    "ssl/tls alert certificate unknown": "the peer does not accept our certificate",
}


class HandshakeError(ConnectionAbortedError):
    """A peer with which TLS was not agreed on: what it sent or showed is wrong, or it said so of ours."""

    def __init__(self, reason: str, *, alert: int | None = None, verdict: int = 0) -> None:
        """`reason` is in OpenSSL's words; `hint` says what mends it, where that is known.

        Of a peer that we called: `alert`: what it sent (RFC 8446 6.2); `verdict`: what was found of its
        certificate (X509_STORE_CTX_get_error(3)), 0: nothing.
        """
        super().__init__(errno.ECONNABORTED, f"TLS handshake failed: {reason}")
        self.reason = reason
        self.hint = _HINTS.get(reason, "")
        self.alert = alert
        self.verdict = verdict
