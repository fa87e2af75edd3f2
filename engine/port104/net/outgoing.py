"""What a requestor can send, and of what nothing more is known here."""

from typing import Protocol

import trio

from port104.wire.proposal import Syntaxes


class Content(Protocol):
    """A data set that is read as it is sent."""

    @property
    def length(self) -> int:
        """Bytes of the data set."""
        ...

    async def read(self) -> bytes:
        """Its next bytes, an even number of them but at its end; empty where it ends too early."""
        ...


class InMemory:
    """A short data set: an identifier, or what an operation says; a Content."""

    def __init__(self, encoded: bytes) -> None:
        self.length = len(encoded)
        self._encoded = encoded

    async def read(self) -> bytes:
        """All of it."""
        await trio.lowlevel.checkpoint()
        return self._encoded


class DataSet(Content, Protocol):
    """An instance."""

    @property
    def syntaxes(self) -> Syntaxes:
        """Its SOP class UID and its transfer syntax UID."""
        ...

    @property
    def sop_instance_uid(self) -> str:
        """Its SOP instance UID."""
        ...


class WholeFile(Protocol):
    """A file that can be sent as it is, as it was when it was looked at."""

    @property
    def path(self) -> str:
        """Where it is."""
        ...

    @property
    def syntaxes(self) -> Syntaxes:
        """Its SOP class UID and its transfer syntax UID."""
        ...

    @property
    def sop_instance_uid(self) -> str:
        """Its SOP instance UID."""
        ...

    @property
    def data_set_at(self) -> int:
        """Bytes before its data set."""
        ...

    @property
    def size(self) -> int:
        """Bytes of its data set."""
        ...

    @property
    def modified(self) -> int:
        """When it was changed last, in nanoseconds of the epoch."""
        ...
