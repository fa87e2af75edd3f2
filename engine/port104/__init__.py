"""DICOM ingress engine; `port104.associate`, `port104.serve` and what is beside them are its library.

docs/library.md describes it.

A name is loaded when it is asked for: commands that need none of them start quickly.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from port104.errors import (
        AbortedError,
        AssociationError,
        ConnectError,
        LocalProtocolError,
        NotAcceptedError,
        Port104Error,
        RejectedError,
        StatusError,
        StorageError,
        Suspect,
        TimedOutError,
    )
    from port104.net.calling import Timeouts
    from port104.net.credentials import TLSFiles
    from port104.net.credentials import build_calling_context as tls_context
    from port104.receiving.handing import ReceivedInstance
    from port104.receiving.library import Server, serve, serve_streams
    from port104.receiving.streaming import IncomingInstance
    from port104.sending.association import SendingAssociation
    from port104.sending.library import associate
    from port104.wire.items import UserIdentity
    from port104.wire.operations import Response
    from port104.wire.status import StatusClass

__all__ = [
    "AbortedError",
    "AssociationError",
    "ConnectError",
    "IncomingInstance",
    "LocalProtocolError",
    "NotAcceptedError",
    "Port104Error",
    "ReceivedInstance",
    "RejectedError",
    "Response",
    "SendingAssociation",
    "Server",
    "StatusClass",
    "StatusError",
    "StorageError",
    "Suspect",
    "TLSFiles",
    "TimedOutError",
    "Timeouts",
    "UserIdentity",
    "associate",
    "serve",
    "serve_streams",
    "tls_context",
]

_PLACES = {
    "IncomingInstance": "receiving.streaming",
    "ReceivedInstance": "receiving.handing",
    "Response": "wire.operations",
    "SendingAssociation": "sending.association",
    "Server": "receiving.library",
    "StatusClass": "wire.status",
    "TLSFiles": "net.credentials",
    "Timeouts": "net.calling",
    "UserIdentity": "wire.items",
    "associate": "sending.library",
    "serve": "receiving.library",
    "serve_streams": "receiving.library",
    "tls_context": "net.credentials",
}
_NAMES = {"tls_context": "build_calling_context"}


def __getattr__(name: str) -> Any:
    """Load a name of the library."""
    if name not in __all__:
        raise AttributeError(f"module port104 has no attribute {name!r}")
    return getattr(import_module(f"port104.{_PLACES.get(name, 'errors')}"), _NAMES.get(name, name))


def __dir__() -> list[str]:
    """What the library has."""
    return __all__
