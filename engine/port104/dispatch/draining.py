"""An engine that is to be taken away for good: it takes nothing new, and what it has comes to its end.

Rules that this room keeps:
- that it is so stands in the ledger, and a start goes on with it;
- what is counted is asked for in the order in which it goes on, from here into the ledger: nothing slips by.
"""

from collections.abc import Callable

import msgspec
import structlog

from port104.dispatch.bookkeeping import Bookkeeper
from port104.dispatch.desk import Desk
from port104.dispatch.lookout import Lookout
from port104.jobs.ledger.draining import Remains, remains
from port104.jobs.ledger.ledger import Ledger

log = structlog.get_logger("port104.service")


class Left(msgspec.Struct, frozen=True):
    """What has not come to its end.

    `counting`: stored files are still held against the ledger; `unwritten`: instances that wait to be
    written into it; `remains`: what stands there.
    """

    counting: bool
    unwritten: int
    remains: Remains

    @property
    def is_nothing(self) -> bool:
        """Whether all has."""
        return not (self.counting or self.unwritten) and self.remains.is_nothing


class Drain:
    """Whether this engine is drained, and how far that has come. Call `resume` before anything is taken.

    `since`: Unix time; None: it is not. `lookout`: answers what remains.
    """

    def __init__(self, desk: Desk, keeper: Bookkeeper, lookout: Lookout, node: str) -> None:
        self._desk = desk
        self._keeper = keeper
        self._lookout = lookout
        self._node = node
        self.since: float | None = None
        self.on_begin: Callable[[], None] = lambda: None
        """Is told that associations are to come to their end."""

    def is_begun(self) -> bool:
        """Whether it is drained."""
        return self.since is not None

    async def resume(self) -> None:
        """Read whether it is, at a start. Raises DatabaseError, as all do here."""
        self.since = await self._desk.do(Ledger.drained_since)
        if self.is_begun():
            log.warning("drained: no instance is taken", hint="port104 drain --undo lets them in again")

    async def begin(self) -> None:
        """Let no instance in from now on, over restarts."""
        await self._desk.do(Ledger.drain)
        self.since = await self._desk.do(Ledger.drained_since)
        self.on_begin()

    async def undo(self) -> None:
        """Let them in again."""
        await self._desk.do(Ledger.undo_drain)
        self.since = None

    async def left(self) -> Left:
        """Count what has not come to its end."""
        counting, unwritten = self._keeper.is_counting, self._keeper.waiting
        there = await self._lookout.ask(lambda session: remains(session, self._node))
        return Left(counting, unwritten, there)
