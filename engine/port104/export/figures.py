"""What came of delivery since the start, by destination, for people and programs that watch it."""

from collections.abc import Callable

import msgspec

from port104.export.breaker import Condition
from port104.jobs.ledger.exports import Outcome


class DestinationFigures(msgspec.Struct, frozen=True):
    """Results that a destination took, committed to or not yet, and that failed for good, since the start.

    `breaker`: whether it is sent to now: `closed`, it is; `open`, it is left alone; `half-open`, it is asked.
    `seconds_since_sent`: since it took one last; None: it took none.
    """

    destination: str
    sent: int
    failed: int
    breaker: Condition
    seconds_since_sent: float | None


class _Count(msgspec.Struct):
    sent: int = 0
    failed: int = 0
    last: float | None = None


class Figures:
    """Counts outcomes. Times are on the clock of `now`."""

    def __init__(self) -> None:
        self._counts: dict[str, _Count] = {}

    def count(self, outcome: Outcome, now: float) -> None:
        """Count an outcome, where the destination took the result, or it failed for good."""
        count = self._counts.setdefault(outcome.delivery.destination, _Count())
        match outcome.state:
            case "delivered" | "committing":
                count.sent += 1
                count.last = now
            case "failed":
                count.failed += 1
            case "waiting":
                pass

    def read(
        self, destinations: set[str], now: float, breaker_of: Callable[[str], Condition]
    ) -> list[DestinationFigures]:
        """Those of `destinations`, and of others that something came of, sorted by name."""
        return [
            self._figures(name, now, breaker_of(name)) for name in sorted(destinations | self._counts.keys())
        ]

    def _figures(self, name: str, now: float, breaker: Condition) -> DestinationFigures:
        count = self._counts.get(name, _Count())
        since = None if count.last is None else round(now - count.last, 1)
        return DestinationFigures(name, count.sent, count.failed, breaker, since)
