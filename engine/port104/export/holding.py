"""What this engine has taken of the ledger to send, and for how long that is its own.

Rules that this room keeps:
- what is held is held for a while, which is made longer again and again while anything is; where that fails
  for too long nothing more of it is sent, for another engine may do so.
"""

from collections import deque
from collections.abc import Sequence
from pathlib import Path

import msgspec
import structlog
import trio

from port104.database.faults import DatabaseError
from port104.export.contracts import Desk
from port104.jobs.ledger.exports import Delivery

log = structlog.get_logger("port104.export")

# Of the time that something is held: made longer after one part, and not relied on in the last one.
_PARTS = 3


class Batch(msgspec.Struct):
    """Results for one destination, in the order in which they are sent; `since`: on trio's clock.

    `alone`: the first so many are sent each by itself, as one of them may have ended an association.
    """

    deliveries: deque[Delivery]
    since: float
    alone: int = 0

    @property
    def paths(self) -> list[Path]:
        """The files of all of them."""
        return [path_of(each) for each in self.deliveries]

    @property
    def next_paths(self) -> list[Path]:
        """The files of those that may be sent together now."""
        return self.paths[:1] if self.alone else self.paths

    def pop(self) -> Delivery:
        """Take the first one out."""
        self.alone = max(0, self.alone - 1)
        return self.deliveries.popleft()

    def suspect(self, deliveries: Sequence[Delivery]) -> None:
        """Put these back, to be sent alone."""
        self.deliveries.extendleft(reversed(deliveries))
        self.alone += len(deliveries)


class Holder:
    """Takes results, and goes on holding them. `seconds`: for how long at a time."""

    def __init__(self, desk: Desk, seconds: float) -> None:
        self._desk = desk
        self._seconds = seconds
        self._renewed = -seconds

    async def take(self, nodes: Sequence[str], destination: str, most: int) -> Batch:
        """Take what is due, `most` results at the most. Raises DatabaseError."""
        since = trio.current_time()
        taken = await self._desk.do(
            lambda ledger: ledger.outbox.take(nodes, destination, most, self._seconds)
        )
        return Batch(deque(taken), since)

    def is_held(self, batch: Batch) -> bool:
        """Whether nobody else may send it."""
        until = max(batch.since, self._renewed) + self._seconds
        return trio.current_time() < until - self._seconds / _PARTS

    async def run(self) -> None:
        """Go on holding what is held, until cancelled."""
        while True:
            await trio.sleep(self._seconds / _PARTS)
            now = trio.current_time()
            try:
                await self._desk.do(lambda ledger: ledger.outbox.renew(self._seconds))
            except DatabaseError:
                continue  # the desk has told of it
            self._renewed = now


def path_of(delivery: Delivery) -> Path:
    """Where its file is."""
    return Path(delivery.root) / delivery.file
