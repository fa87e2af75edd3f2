"""What is told by a certificate: whose it is."""

import contextlib

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

# Subject alternative names that name a machine or a person.
_NAMES = (x509.DNSName, x509.RFC822Name)


class PeerCertificate(msgspec.Struct, frozen=True):
    """A certificate that a peer showed in its handshake, and that an authority of ours signed.

    `fingerprint` is the SHA-256 of the whole, in hexadecimal. `names`: the subject's common names and the
    alternative names (DNS, IP address, e-mail), in lower case.
    """

    fingerprint: str
    names: frozenset[str]


def peer_certificate(session: SSL.Connection) -> PeerCertificate | None:
    """Read the certificate that the peer showed; None: it showed none, or was not asked."""
    certificate = session.get_peer_certificate(as_cryptography=True)
    if certificate is None:
        return None
    names: list[str] = []
    with contextlib.suppress(ValueError, x509.ExtensionNotFound):  # names that cannot be read name nobody
        names += [str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names += [name for kind in _NAMES for name in found.get_values_for_type(kind)]
        names += [str(address) for address in found.get_values_for_type(x509.IPAddress)]
    return PeerCertificate(certificate.fingerprint(SHA256()).hex(), frozenset(map(str.lower, names)))
