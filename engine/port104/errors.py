"""Every exception that port104 raises on purpose.

Two families matter on the wire: a *local* error is ours (the caller asked for something that the
protocol forbids), a *remote* error is the peer's. A peer can cause only remote ones, whatever
bytes it sends.
"""


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
