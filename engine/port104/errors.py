"""Every exception that port104 raises on purpose.

Two families matter on the wire: a *local* error is ours (the caller asked for something that the
protocol forbids), a *remote* error is the peer's. A peer can cause only remote ones, whatever
bytes it sends.
"""

import enum


class Suspect(enum.StrEnum):
    """What is to be looked at where an association with a peer does not come to be, or is of no use.

    `SERVICE`: it is there, takes our calls, and not what is asked of it. `PEER`: it is there, and has no room
    or fails.
    """

    ADDRESS = "address"
    PORT = "port"
    TLS = "tls"
    CALLED_AE_TITLE = "calledAeTitle"
    CALLING_AE_TITLE = "callingAeTitle"
    SERVICE = "service"
    PEER = "peer"


class Port104Error(Exception):
    """Base of every exception that port104 raises on purpose."""


class LocalProtocolError(Port104Error):
    """We asked the association for something that its state or the standard forbids."""


class RemoteProtocolError(Port104Error):
    """The peer broke PS3.8 or PS3.7.

    `reason` is the Reason/Diag. field of the A-ABORT that answers it (PS3.8 9.3.8): 0 not specified,
    1 unrecognised PDU, 2 unexpected PDU, 4 unrecognised, 5 unexpected, 6 invalid PDU parameter value.
    """

    def __init__(self, message: str, *, reason: int) -> None:
        super().__init__(message)
        self.reason = reason


class ConfigurationError(Port104Error):
    """A setting is unknown, wrong or contradictory; the text says which, where and what to do."""


class StorageError(Port104Error):
    """The storage folder cannot be used; the text says which, why and what to do."""


class FolderInUseError(StorageError):
    """Another process works in the storage folder."""


class AssociationError(Port104Error):
    """An association that we requested did not come to be, or ended before what was asked of it was done.

    `suspect`: what is to be looked at; the message says so too.
    """

    def __init__(self, message: str, *, suspect: Suspect = Suspect.PEER) -> None:
        super().__init__(message)
        self.suspect = suspect


class ConnectError(AssociationError):
    """No connection to the peer, or no agreement on TLS."""


class RejectedError(AssociationError):
    """The peer rejected the association; `transient`: it may accept another one later (PS3.8 9.3.4)."""

    def __init__(self, message: str, *, transient: bool, suspect: Suspect = Suspect.PEER) -> None:
        super().__init__(message, suspect=suspect)
        self.transient = transient


class AbortedError(AssociationError):
    """The association was aborted, by either side, or its connection broke."""


class TimedOutError(AssociationError):
    """The peer took longer than it may; the association was aborted."""


class NotAcceptedError(Port104Error):
    """The peer accepted no presentation context for this; what else it accepted can be sent on."""


class StatusError(Port104Error):
    """The peer answered an operation with a status that is a failure."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status
