"""What delivery asks of others: somebody who sends, and the ledger beside the event loop."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol, TypeVar

from port104.errors import Port104Error
from port104.jobs.ledger.ledger import Ledger
from port104.registry.entries import Destination

ResultT = TypeVar("ResultT")


class UnreachableError(Port104Error):
    """There is no association with the destination; the text says why: connection, TLS, rejection, time."""


class BrokenOffError(Port104Error):
    """The association ended, or time was up, before an answer came; the text says which."""


class NotProposedError(Port104Error):
    """The association was made for other instances: it has no presentation context for this one."""


class UnsendableError(Port104Error):
    """An instance cannot be sent; the text says why. `final`: and never will be, as its file is gone."""

    def __init__(self, message: str, *, final: bool) -> None:
        super().__init__(message)
        self.final = final


class Peer(Protocol):
    """An association with a destination. Every call ends in the time that it is given, one way or another."""

    async def store(self, path: Path) -> int:
        """Send a PS3.10 file by C-STORE; returns the status of the response, (0000,0900).

        Raises BrokenOffError, after which the association is of no use; NotProposedError; UnsendableError.
        """
        ...

    async def echo(self) -> None:
        """Send a C-ECHO. Raises BrokenOffError, also where it is answered with a failure."""
        ...


OpenPeer = Callable[[Destination, Sequence[Path]], AbstractAsyncContextManager[Peer]]
"""Establish an association for these files, and release it at the end; for none: to ask by C-ECHO.

Entering raises UnreachableError; leaving raises nothing but what the block raised.
"""


class Desk(Protocol):
    """Where the ledger is worked on; dispatch.Desk is one."""

    async def do(self, work: Callable[[Ledger], ResultT]) -> ResultT:
        """Work with the ledger in a thread. Raises DatabaseError."""
        ...

    async def insist(self, work: Callable[[Ledger], ResultT]) -> ResultT:
        """Work with the ledger, again and again until its database can be used."""
        ...
