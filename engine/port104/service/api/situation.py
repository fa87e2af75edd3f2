"""How port104 is and what came to it, in figures for Prometheus. No patient data is among them."""

from collections.abc import Callable, Iterator, Mapping

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from port104.jobs.ledger.looking.work import Work
from port104.service.api.health import Status
from port104.service.reception import Received
from port104.storage.space import Room

_ROOM = {room.name.lower(): number for number, room in enumerate((Room.NONE, Room.LOW, Room.ENOUGH))}

GAUGES: dict[str, tuple[str, Callable[[Status], float | None]]] = {
    "port104_uptime_seconds": ("Since the start", lambda status: status.uptime),
    "port104_ready": ("1: associations may be sent here", lambda status: not status.unready),
    "port104_drained": ("1: no instance is taken, until port104 drain --undo", lambda status: status.drained),
    "port104_associations": ("That are established", lambda status: status.active_dimse_connections),
    "port104_disk_size_bytes": ("Of the storage folder's volume", lambda status: status.disk.size_bytes),
    "port104_disk_free_bytes": ("Of the storage folder's volume", lambda status: status.disk.free_bytes),
    "port104_disk_room": (
        "2: enough; 1: low, who wants to store is rejected; 0: none",
        lambda status: _ROOM[status.disk.room],
    ),
    "port104_instances_unwritten": (
        "Stored instances that wait to be written into the ledger",
        lambda status: status.ledger.waiting,
    ),
    "port104_ledger_up": ("1: its database can be used", lambda status: status.ledger.fault is None),
    "port104_object_store_up": (
        "1: it can be used",
        lambda status: None if status.object_store is None else status.object_store.fault is None,
    ),
    "port104_object_store_waiting": (
        "Instances that are to be put into the object store",
        lambda status: None if status.object_store is None else status.object_store.waiting,
    ),
    "port104_object_store_waiting_seconds": (
        "Since the first of them was written",
        lambda status: None if status.object_store is None else status.object_store.waiting_seconds,
    ),
    "port104_object_store_elsewhere": (
        "Instances that are in an earlier object store alone",
        lambda status: None if status.object_store is None else status.object_store.elsewhere,
    ),
    "port104_registry_up": ("1: its database can be used", lambda status: status.registry.fault is None),
}
"""Name -> what it means, and where it is; None: it is not known."""
FIGURES = {
    "port104_instances_stored": ("Instances that were acknowledged, duplicates too", "stored"),
    "port104_instances_duplicate": ("Those of them that were there already", "duplicates"),
    "port104_instances_refused": ("Instances that were answered with a failure by rule", "refused"),
    "port104_instances_failed": ("Instances that could not be stored: disk, memory", "failed"),
    "port104_received_bytes": ("Of the data sets that were stored", "bytes"),
}
"""Counters: name without _total -> what it means, and which figure of associations it is."""

UPLOADS = {
    "port104_object_store_stored": ("Instances that the object store took since the start", "stored"),
    "port104_object_store_bytes": ("Of them", "stored_bytes"),
    "port104_object_store_failed": ("Attempts to put an instance there that failed", "failed"),
    "port104_object_store_seconds": ("That all attempts took together", "attempt_seconds"),
}
"""Counters, where there is an object store: the same of its health."""

_Labelled = dict[str, tuple[str, str, Callable[["Situation"], Mapping[str, int]]]]

LABELLED_COUNTERS: _Labelled = {
    "port104_associations_ended": (
        "Associations and attempts at one, by how they ended",
        "outcome",
        lambda situation: situation.received.ended,
    ),
    "port104_associations_rejected": (
        "Those of them that were rejected, transient or permanent",
        "result",
        lambda situation: situation.received.rejected,
    ),
}
LABELLED_GAUGES: _Labelled = {
    "port104_runs": (
        "Runs that have not succeeded, on all engines of the ledger",
        "state",
        lambda situation: situation.work.runs if situation.work else {},
    ),
    "port104_groups": (
        "Groups that are not closed, on all engines of the ledger",
        "state",
        lambda situation: situation.work.groups if situation.work else {},
    ),
}
"""Name -> what it means, its label, and how many there are of each."""


class Situation(msgspec.Struct, frozen=True):
    """How it is at a scrape. `work`: None: the ledger cannot be asked."""

    status: Status
    received: Received
    work: Work | None


class SituationCollector(Collector):
    """Tells Prometheus of a situation."""

    def __init__(self, situation: Situation) -> None:
        self._situation = situation

    def collect(self) -> Iterator[Metric]:
        """As the client library asks."""
        for name, (meaning, read) in GAUGES.items():
            if (value := read(self._situation.status)) is not None:
                yield GaugeMetricFamily(name, meaning, value=value)
        for name, (meaning, figure) in FIGURES.items():
            yield CounterMetricFamily(name, meaning, value=self._situation.received.figures[figure])
        if (store := self._situation.status.object_store) is not None:
            for name, (meaning, figure) in UPLOADS.items():
                yield CounterMetricFamily(name, meaning, value=getattr(store, figure))
        for kind, families in (
            (CounterMetricFamily, LABELLED_COUNTERS),
            (GaugeMetricFamily, LABELLED_GAUGES),
        ):
            for name, (meaning, label, counts) in families.items():
                family = kind(name, meaning, labels=[label])
                for word, count in sorted(counts(self._situation).items()):
                    family.add_metric([word], count)
                yield family
