"""Certificates, keys and authorities for TLS: read from files, checked, read again when these change.

The profile is PS3.15 B.12, "BCP 195 RFC 8996, 9325 TLS Secure Transport Connection Profile": TLS 1.2 with the
cipher suites that RFC 9325 4.2 recommends, and TLS 1.3. A file that cannot be used is named, with the reason;
what was in use before stays in use then.
"""

from pathlib import Path

import msgspec
import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL
from OpenSSL.crypto import X509, X509StoreFlags

from port104.errors import ConfigurationError
from port104.net.tls import note_alert

log = structlog.get_logger("port104.tls")

# RFC 9325 4.2, in OpenSSL's spelling; those of TLS 1.3 are OpenSSL's own.
CIPHER_SUITES = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
)
"""What is negotiated below TLS 1.3."""

_DER = b"\x30\x82"
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_MODE_RELEASE_BUFFERS = 0x10  # SSL_CTX_set_mode(3)
_WARN_BEFORE_SECONDS = 30 * 86400


class TLSFiles(msgspec.Struct, frozen=True, kw_only=True):
    """What a TLS port needs, in PEM form. `authorities` None: no certificate is asked of peers."""

    certificate: Path
    key: Path | None = None
    """None: it is in the file of the certificate."""
    password: Path | None = None
    """Holds the password of the key."""
    authorities: Path | None = None
    require_certificate: bool = True
    """Whether a peer must show a certificate; without effect where there are no authorities."""
    minimum_version: int = SSL.TLS1_2_VERSION

    def all(self) -> list[Path]:
        """Every file."""
        files = (self.certificate, self.key, self.password, self.authorities)
        return [file for file in files if file is not None]


class Credentials:
    """What new connections on the TLS port are secured with. `context` changes when files do."""

    def __init__(self, files: TLSFiles, now: float) -> None:
        """Read the files at `now` (seconds of the epoch). Raises ConfigurationError."""
        self._files = files
        self._stamps = _stamps(files)
        self.context = build_context(files)
        _report_validity(files, now)

    def reload(self, now: float, *, force: bool = False) -> bool:
        """Read the files again where one has changed, or with `force`. Blocks on the disk.

        Returns whether they were taken; faulty ones are logged, once for each change.
        """
        stamps = _stamps(self._files)
        if stamps == self._stamps and not force:
            return False
        self._stamps = stamps
        try:
            self.context = build_context(self._files)
        except ConfigurationError as fault:
            log.error(  # noqa: TRY400 - the reason says it all
                "TLS files cannot be used; the former certificate stays in use", reason=str(fault)
            )
            return False
        log.info("TLS files read again", certificate=str(self._files.certificate))
        _report_validity(self._files, now)
        return True


def build_context(files: TLSFiles) -> SSL.Context:
    """Make the context that connections are accepted with. Raises ConfigurationError."""
    context = _profile(SSL.TLS_SERVER_METHOD, files.minimum_version)
    _load_certificate(context, files)
    if files.authorities is not None:
        _load_authorities(context, files.authorities)
        required = SSL.VERIFY_FAIL_IF_NO_PEER_CERT if files.require_certificate else 0
        context.set_verify(SSL.VERIFY_PEER | required)
    return context


def build_calling_context(*, authorities: Path | None, own: TLSFiles | None) -> SSL.Context:
    """Make the context that peers are called with. Raises ConfigurationError.

    `authorities`: of peers' certificates; None: the system's. `own`: the certificate to show where a peer
    asks for one; None: none.
    """
    context = _profile(SSL.TLS_CLIENT_METHOD, SSL.TLS1_2_VERSION)
    if authorities is None:
        context.set_default_verify_paths()
    else:
        _load_authorities(context, authorities)
    context.set_verify(SSL.VERIFY_PEER)
    context.set_info_callback(note_alert)
    if own is not None:
        _load_certificate(context, own)
    return context


def _profile(method: int, minimum_version: int) -> SSL.Context:
    context = SSL.Context(method)
    context.set_min_proto_version(minimum_version)
    context.set_cipher_list(":".join(CIPHER_SUITES).encode())
    # Every association is authenticated anew, and an idle one keeps no buffers.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
    context.set_mode(_MODE_RELEASE_BUFFERS)
    return context


def _load_certificate(context: SSL.Context, files: TLSFiles) -> None:
    key_file = files.key or files.certificate
    password = _content(files.password).strip(b"\r\n") if files.password else None
    certificates = certificates_in(files.certificate)
    key = _key_in(key_file, password, files.password)
    try:
        context.use_certificate(certificates[0])
        for each in certificates[1:]:
            context.add_extra_chain_cert(each)
        context.use_privatekey(key)
        context.check_privatekey()
    except SSL.Error as failure:
        words = " ".join(part for error in failure.args[0] for part in error if part)
        if "mismatch" in words:
            words = "they do not belong together"
        raise ConfigurationError(f"{files.certificate} and the key in {key_file}: {words}") from failure


def _key_in(
    file: Path, password: bytes | None, password_file: Path | None
) -> RSAPrivateKey | EllipticCurvePrivateKey:
    content = _content(file)
    if b"PRIVATE KEY-----" not in content:
        raise ConfigurationError(f"{file} holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)")
    encrypted = b"ENCRYPTED" in content
    if encrypted and password is None:
        raise ConfigurationError(f"the key in {file} is encrypted: name a `passwordFile`")
    try:
        key = load_pem_private_key(content, password if encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as failure:
        why = f"with the password in {password_file}" if encrypted else "as PEM"
        raise ConfigurationError(f"the key in {file} cannot be read {why}") from failure
    if not isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey):
        raise ConfigurationError(f"the key in {file} is neither RSA nor elliptic curve (ECDSA)")
    return key


def _load_authorities(context: SSL.Context, authorities: Path) -> None:
    store = context.get_cert_store()
    if store is None:
        raise ValueError("a context has a store")
    for each in certificates_in(authorities):
        store.add_cert(X509.from_cryptography(each))
    # A modality's own certificate may stand among the authorities, without who signed it.
    store.set_flags(X509StoreFlags.PARTIAL_CHAIN)


def certificates_in(file: Path) -> list[x509.Certificate]:
    """Read a file's certificates, one at least. Raises ConfigurationError."""
    content = _content(file)
    if content.startswith(_DER):
        hint = f"openssl x509 -inform DER -in {file} -out {file.stem}.pem"
        raise ConfigurationError(f"{file} is in DER form; PEM is needed: {hint}")
    if _CERTIFICATE not in content:
        raise ConfigurationError(f"{file} holds no certificate in PEM form ({_CERTIFICATE.decode()})")
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError as failure:
        raise ConfigurationError(f"a certificate in {file} cannot be read: {failure}") from failure


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as failure:
        raise ConfigurationError(f"{file} cannot be read: {failure.strerror}") from failure


def _report_validity(files: TLSFiles, now: float) -> None:
    """Warn of a certificate that peers will not accept, or not for long."""
    ends = certificates_in(files.certificate)[0].not_valid_after_utc
    facts = {"certificate": str(files.certificate), "valid_until": f"{ends:%Y-%m-%d}"}
    if ends.timestamp() <= now:
        log.warning("the certificate of the TLS port has expired: peers will not accept it", **facts)
    elif ends.timestamp() <= now + _WARN_BEFORE_SECONDS:
        log.warning("the certificate of the TLS port expires soon", **facts)


def _stamps(files: TLSFiles) -> list[tuple[int, ...]]:
    """What changes when a file is written or replaced, behind links too (as Kubernetes replaces secrets)."""
    return [_stamp(file) for file in files.all()]


def _stamp(file: Path) -> tuple[int, ...]:
    try:
        status = file.stat()
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
