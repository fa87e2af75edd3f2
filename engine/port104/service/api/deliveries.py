"""How delivery is, by destination: what the ledger holds, and what came of sending since the start."""

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from port104.database.faults import DatabaseError
from port104.dispatch.lookout import Lookout
from port104.export.breaker import Condition
from port104.export.figures import DestinationFigures
from port104.jobs.ledger.looking.backlogs import Backlog, backlogs


class Delivery(msgspec.Struct, frozen=True, rename="camel"):
    """How delivery to a destination is.

    `waiting` results are still to be delivered, `deadLetters` failed for good and wait for
    `port104 exports retry`; null: the ledger cannot be asked. Since the start the destination took so many
    (`sent`; where it is to commit to them, before it has), the last one `secondsSinceSent` ago, null: none;
    so many `failed`. `breaker`: `closed`: it is sent to; `open`: it is left alone, for it failed;
    `half-open`: it is asked whether it is there.
    """

    destination: str
    waiting: int | None
    dead_letters: int | None
    sent: int
    failed: int
    breaker: Condition
    seconds_since_sent: float | None


ReadDeliveries = Callable[[], Awaitable[list[Delivery]]]
"""Gives them all, sorted by destination. Raises nothing."""


def deliveries_of(lookout: Lookout, figures: Callable[[], Sequence[DestinationFigures]]) -> ReadDeliveries:
    """What reads them."""

    async def read() -> list[Delivery]:
        try:
            found = {each.destination: each for each in await lookout.ask(backlogs)}
        except DatabaseError:
            return [_delivery(each, None) for each in figures()]
        now = {each.destination: each for each in figures()}
        return [
            _delivery(now.get(name) or _unseen(name), found.get(name) or Backlog(name, 0, 0))
            for name in sorted(found.keys() | now.keys())
        ]

    return read


def _unseen(name: str) -> DestinationFigures:
    """Of one that is no entry any more, and to which nothing was sent."""
    return DestinationFigures(name, 0, 0, "closed", None)


def _delivery(figures: DestinationFigures, backlog: Backlog | None) -> Delivery:
    return Delivery(
        destination=figures.destination,
        waiting=None if backlog is None else backlog.waiting,
        dead_letters=None if backlog is None else backlog.dead_letters,
        sent=figures.sent,
        failed=figures.failed,
        breaker=figures.breaker,
        seconds_since_sent=figures.seconds_since_sent,
    )
