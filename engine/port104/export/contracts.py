"""What delivery asks of others: somebody who sends, and the ledger beside the event loop."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol, TypeVar

from port104.errors import Port104Error
from port104.export.verdicts import Answer
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
    """A connection with a destination. Every call ends in the time that it is given, one way or another."""

    async def store(self, paths: Iterable[Path]) -> Sequence[Answer | None]:
        """Send PS3.10 files: the first of these, and of the next ones those that go together with it.

        Returns what came of each that was sent, in this order; None: the association ended before it was
        answered, which may be the fault of another one that was under way. Raises what concerns the first,
        and says nothing of the others: UnreachableError and BrokenOffError, after which the connection is of
        no use, as after BrokenOff and None; NotProposedError; UnsendableError.
        """
        ...

    async def echo(self) -> None:
        """Ask whether somebody is there who answers. Raises UnreachableError, BrokenOffError."""
        ...


OpenPeer = Callable[[Destination, Sequence[Path]], AbstractAsyncContextManager[Peer]]
"""Connect for these files, and let go at the end; for none: to ask whether somebody is there.

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
