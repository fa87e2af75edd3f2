"""Whether port104 lives, is ready for associations, and how it is."""

from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Protocol

import msgspec
from litestar import Response
from litestar.handlers import HTTPRouteHandler

from port104.native import SpoolCounts
from port104.service.api.deliveries import Delivery, ReadDeliveries
from port104.service.api.events import EventsHealth, ReadEvents
from port104.service.api.object_store import ObjectStoreHealth, ReadObjectStore
from port104.service.api.queries import read_query
from port104.service.api.resources import Answer, Asks, in_json, resource
from port104.service.condition import Condition, Phase
from port104.service.registrar import Registrar
from port104.storage.space import Room
from port104.storage.volume import VolumeWatch

PATH = "/health"
HEALTHY = "Healthy"
UNHEALTHY = "Unhealthy"


class Disk(msgspec.Struct, frozen=True, rename="camel"):
    """The storage folder's volume. `room`: `enough`, `low` (for running associations only) or `none`."""

    room: str
    size_bytes: int | None
    free_bytes: int | None


class Instances(msgspec.Struct, frozen=True, rename="camel"):
    """Since the start. `recovered`: finished after an interruption; `torn`: set aside after a power cut."""

    stored: int
    failed: int
    recovered: int
    torn: int


class RegistryHealth(msgspec.Struct, frozen=True, rename="camel"):
    """`fault`: why its database cannot be used at the moment; what was read last holds then."""

    fault: str | None
    ae_titles: int
    sources: int
    destinations: int
    pipelines: int


class LedgerHealth(msgspec.Struct, frozen=True, rename="camel"):
    """`fault`: why its database cannot be used at the moment; instances are stored and wait then.

    `waiting`: how many do.
    """

    fault: str | None
    waiting: int


class Status(msgspec.Struct, frozen=True, rename="camel"):
    """How port104 is. `unready`: why it is not ready, in words; `uptime` in seconds.

    `drained`: it takes no instance any more. `events`: the message broker; `objectStore`: null: there is
    none.
    """

    status: str
    version: str
    uptime: float
    active_dimse_connections: int
    services: dict[str, str]
    unready: list[str]
    drained: bool
    disk: Disk
    registry: RegistryHealth
    ledger: LedgerHealth
    instances: Instances
    deliveries: list[Delivery]
    events: EventsHealth | None
    object_store: ObjectStoreHealth | None


class Followed(Protocol):
    """Something of a cluster that is followed while port104 runs: custom resources, or Jobs."""

    @property
    def fault(self) -> str | None:
        """Why it cannot be at the moment, in words."""
        ...


class Health:
    """Knows how port104 is. What is given to be called is asked when somebody asks us."""

    def __init__(  # noqa: PLR0913 - each is asked by its name
        self,
        *,
        condition: Condition,
        watch: VolumeWatch,
        registrar: Registrar,
        associations: Callable[[], int],
        counts: Callable[[], SpoolCounts],
        ledger: Callable[[], LedgerHealth],
        deliveries: ReadDeliveries,
        is_drained: Callable[[], bool],
        object_store: ReadObjectStore,
        followed: Mapping[str, Followed] | None = None,
        events: ReadEvents | None = None,
    ) -> None:
        self._condition = condition
        self._watch = watch
        self._registrar = registrar
        self._version = version("port104")
        self.associations = associations
        """How many are established now."""
        self._counts = counts
        self._ledger = ledger
        self._deliveries = deliveries
        self._is_drained = is_drained
        self._object_store = object_store
        self._followed = {} if followed is None else followed
        self._events = events

    def unready(self) -> list[str]:
        """Why no association should be sent here now, in words; empty: it may."""
        reasons = []
        if self._condition.phase is Phase.STARTING:
            reasons.append("it is starting")
        if self._condition.phase is Phase.DRAINING:
            reasons.append("it is stopping: running associations may finish")
        if self._is_drained():
            reasons.append("it is drained: port104 drain --undo lets instances in again")
        if self._watch.room is not Room.ENOUGH:
            reasons.append("space runs low on the storage folder's volume")
        return reasons

    async def status(self) -> Status:
        """Everything at once."""
        unready = self.unready()
        fault = self._registrar.fault
        counts, volume, ledger = self._counts(), self._watch.volume, self._ledger()
        objects = await self._object_store()
        events = None if self._events is None else await self._events()
        return Status(
            status=UNHEALTHY if unready else HEALTHY,
            version=self._version,
            uptime=round(self._condition.uptime, 1),
            active_dimse_connections=self.associations(),
            services={
                "dicomScp": self._condition.phase.value,
                "registry": _well(fault),
                "ledger": _well(ledger.fault),
                **({} if objects is None else {"objectStore": _well(objects.fault)}),
                **{name: _well(each.fault) for name, each in self._followed.items()},
                **({} if events is None else {"events": _well(events.fault)}),
            },
            unready=unready,
            drained=self._is_drained(),
            disk=Disk(
                room=self._watch.room.name.lower(),
                size_bytes=volume.size if volume else None,
                free_bytes=volume.free if volume else None,
            ),
            registry=RegistryHealth(fault=fault, **self._registrar.counts()),
            ledger=ledger,
            instances=Instances(counts.stored, counts.failed, counts.recovered, counts.torn),
            deliveries=await self._deliveries(),
            events=events,
            object_store=objects,
        )


def health_resources(health: Health) -> list[HTTPRouteHandler]:
    """Serve it. Clara's words, and its status codes."""

    async def live(_: Asks) -> Answer:
        return _word(HEALTHY, 200)

    async def ready(_: Asks) -> Answer:
        return _word(UNHEALTHY, 503) if health.unready() else _word(HEALTHY, 200)

    async def status(request: Asks) -> Answer:
        read_query(request)
        return in_json(await health.status())

    return [
        resource(f"{PATH}/live", {"GET": live}),
        resource(f"{PATH}/ready", {"GET": ready}),
        resource(f"{PATH}/status", {"GET": status}),
    ]


def _well(fault: str | None) -> str:
    return "Running" if fault is None else "Faulted"


def _word(word: str, status: int) -> Answer:
    return Response(content=word, status_code=status, media_type="text/plain")
