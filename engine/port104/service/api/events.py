"""How the message broker is, and what waits for it; in the health and for Prometheus."""

from collections.abc import Awaitable, Callable, Iterator

import msgspec
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from port104.database.faults import DatabaseError
from port104.dispatch.lookout import Lookout
from port104.jobs.ledger.looking.messages import message_backlog

GAUGES = {
    "port104_events_broker_up": ("1: the message broker can be used", "is_up"),
    "port104_events_waiting": ("Messages that the broker does not have", "waiting"),
    "port104_events_seconds_waiting": ("For which the oldest of them waits", "seconds_waiting"),
    "port104_events_refused": ("Those of them that it did not take", "refused"),
    "port104_events_requests": ("Export requests that are not answered yet", "requests"),
}
"""Name -> what it means, and where it is."""


class EventsHealth(msgspec.Struct, frozen=True, rename="camel"):
    """How the message broker is. `fault`: why it cannot be used, or takes a message not; null: all is well.

    `waiting` messages are still to be sent, the oldest for `secondsWaiting`; so many were `refused` when they
    were sent last. `requests`: for exports, that are not answered yet. Null: the ledger cannot be asked.
    """

    fault: str | None
    is_up: bool
    waiting: int | None
    seconds_waiting: float | None
    refused: int | None
    requests: int | None


ReadEvents = Callable[[], Awaitable[EventsHealth]]
"""Reads it. Raises nothing."""


def reads_events(lookout: Lookout, fault: Callable[[], str | None]) -> ReadEvents:
    """What reads it. `fault`: why the broker cannot be used, if so."""

    async def read() -> EventsHealth:
        try:
            backlog = await lookout.ask(message_backlog)
        except DatabaseError:
            return EventsHealth(fault(), fault() is None, None, None, None, None)
        why = fault()
        return EventsHealth(
            why or backlog.why or None,
            why is None,
            backlog.waiting,
            backlog.seconds,
            backlog.refused,
            backlog.requests,
        )

    return read


class EventsCollector(Collector):
    """Its figures for Prometheus."""

    def __init__(self, health: EventsHealth) -> None:
        self._health = health

    def collect(self) -> Iterator[Metric]:
        """Give them."""
        for name, (words, key) in GAUGES.items():
            if (value := getattr(self._health, key)) is not None:
                yield GaugeMetricFamily(name, words, value=value)
