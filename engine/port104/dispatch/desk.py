"""The ledger beside the event loop: one thread at a time, and what is wrong with its database."""

from collections.abc import Callable
from typing import TypeVar

import structlog
import trio

from port104.database.faults import DatabaseError
from port104.jobs.ledger.ledger import Ledger

log = structlog.get_logger("port104.ledger")

FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 0.25, 10.0

ResultT = TypeVar("ResultT")


class Desk:
    """Where the ledger is worked on. `fault`: why its database cannot be used at the moment, in words.

    `folders`: held by whoever removes folders of runs or instances,
    and by whoever puts something into one.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._limiter = trio.CapacityLimiter(1)
        self.folders = trio.Lock()
        self.fault: str | None = None

    async def do(self, work: Callable[[Ledger], ResultT]) -> ResultT:
        """Work with the ledger in a thread. Raises DatabaseError, which is logged once until all is well."""
        try:
            result = await trio.to_thread.run_sync(
                work, self._ledger, limiter=self._limiter, thread_name="port104 ledger"
            )
        except DatabaseError as fault:
            self._failed(fault)
            raise
        if self.fault is not None:
            log.info("the ledger's database can be used again")
            self.fault = None
        return result

    async def insist(self, work: Callable[[Ledger], ResultT]) -> ResultT:
        """Work with the ledger, again and again until its database can be used."""
        delay = FIRST_RETRY_SECONDS
        while True:
            try:
                return await self.do(work)
            except DatabaseError:
                await trio.sleep(delay)
                delay = min(2 * delay, LAST_RETRY_SECONDS)

    def _failed(self, fault: DatabaseError) -> None:
        if self.fault is None:
            log.error(
                "the ledger's database cannot be used; instances are stored and wait", reason=str(fault)
            )
        self.fault = str(fault)
