"""Figures for Prometheus, in its text format: of all, of delivery, and of the message broker.

No patient data is among them.
"""

from collections.abc import Iterable, Iterator

from litestar import Response
from litestar.handlers import HTTPRouteHandler
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from port104.database.faults import DatabaseError
from port104.dispatch.lookout import Lookout
from port104.jobs.ledger.looking.work import work
from port104.service.api.deliveries import Delivery
from port104.service.api.events import EventsCollector
from port104.service.api.health import Health
from port104.service.api.queries import read_query
from port104.service.api.resources import Answer, Asks, resource
from port104.service.api.situation import Situation, SituationCollector
from port104.service.reception import Reception

PATH = "/metrics"

GAUGES = {
    "port104_export_waiting": ("Results that are still to be delivered", "waiting"),
    "port104_export_dead_letters": ("Results that failed for good", "dead_letters"),
    "port104_export_breaker_open": ("1: the destination is left alone, for it failed", "is_left_alone"),
    "port104_export_seconds_since_sent": ("Since it took a result last", "seconds_since_sent"),
}
COUNTERS = {
    "port104_export_sent": ("Results that it took since the start", "sent"),
    "port104_export_failed": ("Results that failed for good since the start", "failed"),
}
"""Name (that of a counter has _total at its end besides) -> what it means, and where it is."""


class _Deliveries(Collector):
    def __init__(self, deliveries: Iterable[Delivery]) -> None:
        self._rows = [(each.destination, _values_of(each)) for each in deliveries]

    def collect(self) -> Iterator[Metric]:
        for kind, families in ((GaugeMetricFamily, GAUGES), (CounterMetricFamily, COUNTERS)):
            for name, (words, key) in families.items():
                family = kind(name, words, labels=["destination"])
                for destination, values in self._rows:
                    if (value := values[key]) is not None:
                        family.add_metric([destination], value)
                yield family


def _values_of(delivery: Delivery) -> dict[str, float | None]:
    return {
        "waiting": delivery.waiting,
        "dead_letters": delivery.dead_letters,
        "is_left_alone": delivery.breaker != "closed",
        "seconds_since_sent": delivery.seconds_since_sent,
        "sent": delivery.sent,
        "failed": delivery.failed,
    }


def metric_resources(health: Health, reception: Reception, lookout: Lookout) -> list[HTTPRouteHandler]:
    """Serve them."""

    async def metrics(request: Asks) -> Answer:
        read_query(request)
        registry = CollectorRegistry(auto_describe=False)
        situation = await _situation(health, reception, lookout)
        registry.register(SituationCollector(situation))
        registry.register(_Deliveries(situation.status.deliveries))
        if situation.status.events is not None:
            registry.register(EventsCollector(situation.status.events))
        return Response(
            content=generate_latest(registry),
            status_code=200,
            media_type="text/plain",
            headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4},
        )

    return [resource(PATH, {"GET": metrics})]


async def _situation(health: Health, reception: Reception, lookout: Lookout) -> Situation:
    status = await health.status()
    try:
        to_do = await lookout.ask(work)
    except DatabaseError:
        to_do = None
    return Situation(status, reception.read(), to_do)
