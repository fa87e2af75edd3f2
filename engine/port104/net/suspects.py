"""What is to be looked at where a call fails: the address, the port, TLS or an AE title, and words for it.

Each function gives the suspect, and what a person can do.
"""

import errno
import socket
from typing import NamedTuple

from port104.errors import Suspect
from port104.net.handshakes import HandshakeError
from port104.wire.events import AbortedByUs, ConnectionLost, Event
from port104.wire.pdu import AssociateRJ


class Finding(NamedTuple):
    """`advice` begins with what is to be looked at."""

    suspect: Suspect
    advice: str


NO_ANSWER = Finding(Suspect.ADDRESS, "look at the address, and at firewalls between")
"""The connection was neither made nor refused in time."""
NO_HANDSHAKE = Finding(Suspect.TLS, "look at TLS: it took the connection; does it speak TLS on this port?")
"""There is a connection, and what came of it is no TLS."""
_NO_NAME = Finding(Suspect.ADDRESS, "look at the address: no host is known by this name")
_NO_ROUTE = Finding(Suspect.ADDRESS, "look at the address: no way leads there, or nobody has it")
_NO_LISTENER = Finding(Suspect.PORT, "look at the port: the host is there, and nobody listens on it")
_NO_DICOM = Finding(
    Suspect.PORT,
    "look at the port: somebody listens there, and sends no DICOM; or is to be called over TLS",
)
# Of TLS 1.3; what the peer says of our certificate is lost where it resets the connection at once.
_UNANSWERED_OVER_TLS = Finding(
    Suspect.TLS, "look at TLS: so does a peer that wants a certificate of ours, or does not trust ours"
)
_TLS_ONLY = Finding(Suspect.TLS, "look at TLS: it speaks TLS on this port, and was called without")

# Numbers of X509_verify_cert_error_string(3): what was wrong with the peer's certificate.
_OTHER_NAME = {62, 64}
_NOT_NOW = {9, 10}
# Alerts (RFC 8446 6.2): what the peer says of our certificate, or that it wants one.
_OF_OUR_CERTIFICATE = {
    42: "it does not accept our certificate",
    43: "it does not take certificates of the kind of ours",
    44: "our certificate was revoked",
    45: "our certificate has expired",
    46: "it does not accept our certificate",
    48: "it does not trust who signed our certificate",
    116: "it wants a certificate of ours, and there is none",
}
_ALERTS = {
    40: "it wants a certificate of ours, or has no cipher suite of PS3.15 B.12 in common with us",
    70: "it knows old versions of TLS only; PS3.15 B.12 asks for 1.2 at least",
    112: "it does not know itself by this host name",
    **_OF_OUR_CERTIFICATE,
}
_TLS_ALERT = "15H"
"""Begins what is said of a PDU that is a TLS alert (RFC 8446 5.1)."""


def of_connecting(failure: OSError) -> Finding:
    """Why there is no connection. `failure`: of the resolver, or of connect(2)."""
    if isinstance(failure, socket.gaierror):
        return _NO_NAME
    return _NO_LISTENER if failure.errno == errno.ECONNREFUSED else _NO_ROUTE


def of_handshake(failure: HandshakeError, host: str) -> Finding:
    """Why there is no TLS with the peer at `host`."""
    return Finding(Suspect.TLS, f"look at TLS: {_words_of(failure, host)}")


def _words_of(failure: HandshakeError, host: str) -> str:
    if failure.alert is not None:
        return words_of_alert(failure.alert)
    if failure.verdict in _OTHER_NAME:
        return f"its certificate is for another host than {host}: call it by the name that stands there"
    if failure.verdict in _NOT_NOW:
        return "its certificate is not valid today: have it renewed there, or look at the clocks"
    if failure.verdict:
        return "its certificate is of no authority that we trust: name the one that signed it"
    return "does it speak TLS on this port?"


def words_of_alert(alert: int) -> str:
    """What the peer meant by a TLS alert."""
    return _ALERTS.get(alert, f"it ended TLS by alert {alert} (RFC 8446 6.2)")


def of_refused_certificate(alert: int | None) -> Finding | None:
    """Why a connection ended on which TLS stood: of TLS 1.3 that is heard after the handshake."""
    if alert is None or alert not in _OF_OUR_CERTIFICATE:
        return None
    return Finding(Suspect.TLS, f"look at TLS: {_OF_OUR_CERTIFICATE[alert]}")


def of_rejection(reject: AssociateRJ) -> Finding | None:
    """Which AE title an A-ASSOCIATE-RJ is about (PS3.8 table 9-21); None: none."""
    match reject.source, reject.reason:
        case 1, 7:
            return Finding(Suspect.CALLED_AE_TITLE, "look at the called AE title: it has another")
        case 1, 3:
            return Finding(
                Suspect.CALLING_AE_TITLE,
                "look at the calling AE title: have it told there who calls, and from where",
            )
        case _:
            return None


def of_answer(event: Event, *, tls: bool) -> Finding | None:
    """Why no answer to A-ASSOCIATE-RQ came, over TLS or not; None: there is nothing more to say."""
    match event:
        case ConnectionLost() if tls:
            return _UNANSWERED_OVER_TLS
        case AbortedByUs(detail=detail) if detail.startswith(_TLS_ALERT):
            return _TLS_ONLY
        case AbortedByUs() | ConnectionLost():
            return _NO_DICOM
        case _:
            return None
