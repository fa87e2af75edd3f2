"""The running service: one nursery, all wiring.

Everything that the rooms below ask for by a protocol is put together here, and only here.
"""

import gc
import time
from collections.abc import Iterator, Mapping
from functools import partial

import trio

from port104.dispatch.caretaking import Caretaker
from port104.errors import Port104Error
from port104.net.contracts import Witness
from port104.service.admission import Admission
from port104.service.api.deliveries import deliveries_of
from port104.service.api.events import reads_events
from port104.service.api.health import Health, LedgerHealth
from port104.service.api.object_store import object_store_health_of
from port104.service.api.serving import API, Behind
from port104.service.associations import AssociationLog
from port104.service.books import retention_of
from port104.service.condition import Condition
from port104.service.configuration import Configuration
from port104.service.data_set_log import DataSetLog
from port104.service.delivery import caller_of
from port104.service.file_limit import raise_file_limit
from port104.service.identities import Identities, identities_from
from port104.service.listening import acceptor_of, listen
from port104.service.opening import Opened, opened
from port104.service.reception import Reception
from port104.service.reloading import Reloader, Sources
from port104.service.running import Running, reserve_of
from port104.service.secure import HangUp, credentials_from, keep_fresh
from port104.service.settings.tree import Settings
from port104.service.signals import OBEYED, obey_signals
from port104.service.stocktaking import report_contents
from port104.storage.space import Room, Watermarks
from port104.storage.volume import VolumeWatch


async def serve(
    settings: Settings,
    origins: Mapping[str, str],
    sources: Sources | None = None,
    *,
    task_status: trio.TaskStatus[list[tuple[str, int]]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Receive and store until SIGTERM or SIGINT. `task_status` is given the bound addresses.

    `origins`: where settings come from (configuration.Configuration); `sources`: what to read them from
    again; None: they stay. Raises StorageError when the storage folder cannot be used, DatabaseError when the
    registry cannot, ConfigurationError when the port cannot be bound or a file that a setting names is wrong.
    """
    scp = settings.dicom.scp
    identities = identities_from(scp.user_identity)
    connections = raise_file_limit(
        connections=scp.maximum_number_of_connections,
        associations=scp.maximum_number_of_associations,
    )
    credentials = credentials_from(scp.tls, time.time())
    with trio.open_signal_receiver(*OBEYED) as signals:
        async with opened(settings, origins) as kept, trio.open_nursery() as nursery:
            parts = _Parts(settings, kept, identities, connections)
            await nursery.start(parts.watch.run)
            await nursery.start(parts.api.serve, kept.store.root, parts.hang_up)
            _settle_memory()
            addresses = await listen(parts.acceptor, scp, credentials)
            nursery.start_soon(parts.caretaker.run)
            if kept.books.storage is not None:
                nursery.start_soon(kept.books.storage.releaser.run, parts.space_is_low)
            nursery.start_soon(parts.data_set_log.run)
            parts.running.tell_of_stored(scp)
            if kept.trail is not None:
                kept.trail.started()
            nursery.start_soon(report_contents, kept.store)
            if credentials is not None:
                nursery.start_soon(keep_fresh, credentials, scp.tls.reload_interval, parts.hang_up)
            if sources is not None:
                nursery.start_soon(Reloader(settings, sources, parts.running).run, parts.hang_up)
            # Whoever never releases its association would hold a drain up for ever.
            kept.books.drain.on_begin = partial(nursery.start_soon, parts.acceptor.wind_down, "it is drained")
            nursery.start_soon(obey_signals, signals, parts.acceptor, parts.hang_up, parts.condition)
            parts.condition.serves()
            task_status.started(addresses)
            await parts.acceptor.serve()
            nursery.cancel_scope.cancel()


class _Parts:
    """What `serve` runs, put together and not yet started."""

    def __init__(
        self, settings: Settings, kept: Opened, identities: Identities | None, connections: int
    ) -> None:
        scp, store, registrar, books = settings.dicom.scp, kept.store, kept.registrar, kept.books
        watermarks = Watermarks(settings.storage.watermark_percent, reserve_of(settings.storage))
        self.watch = VolumeWatch(store, watermarks)
        admission = Admission(
            scp,
            registrar,
            self.watch,
            identities,
            books.committer,
            keeps_for_ever=settings.jobs.keep_instances_hours is None,
            is_drained=books.drain.is_begun,
        )
        associations = AssociationLog()
        self._reception = Reception()
        witnesses: list[Witness] = [associations, self._reception, books.keeper, *filter(None, [kept.trail])]
        self.acceptor = acceptor_of(scp, admission, store, witnesses, connections)
        self._verify = caller_of(settings.dicom.scu).verify
        self.hang_up, self.condition = HangUp(), Condition()
        self.api = API(settings.api, self._behind(kept, associations))
        retention = retention_of(settings.jobs)
        # What is done with goes in its time, and at once when space runs low.
        self.caretaker = Caretaker(
            books.desk,
            store.root,
            lambda: retention,
            self.space_is_low,
            None if books.storage is None else books.storage.releaser.forget,
            None if books.storage is None else books.storage.remover.clear,
        )
        self.data_set_log = DataSetLog()
        self.running = Running(
            admission=admission,
            acceptor=self.acceptor,
            registrar=registrar,
            watermarks=watermarks,
            store=store,
            books=books.keeper,
            trail=kept.trail,
            data_set_log=self.data_set_log,
            connections=connections,
        )

    def _behind(self, kept: Opened, associations: AssociationLog) -> Behind:
        books = kept.books
        events = None
        if books.events is not None:
            broker = books.events
            events = reads_events(books.lookout, lambda: broker.fault)
        health = Health(
            condition=self.condition,
            watch=self.watch,
            registrar=kept.registrar,
            associations=lambda: self.acceptor.associations,
            counts=kept.store.counts,
            ledger=lambda: LedgerHealth(books.desk.fault, books.keeper.waiting),
            deliveries=deliveries_of(books.lookout, books.figures),
            is_drained=books.drain.is_begun,
            object_store=object_store_health_of(books.storage, books.lookout),
            followed=kept.followed,
            events=events,
        )
        return Behind(
            registrar=kept.registrar,
            associations=associations,
            health=health,
            lookout=books.lookout,
            runs=books.runs,
            exports=books.exports,
            filing=books.filing,
            has_room=self._has_room,
            verify=self._verify,
            reception=self._reception,
            drain=books.drain,
        )

    def space_is_low(self) -> bool:
        """Whether nothing that may go waits its time."""
        return not self._has_room()

    def _has_room(self) -> bool:
        return self.watch.room is Room.ENOUGH


def _settle_memory() -> None:
    """Leave what is there at the start, and stays, out of later garbage collections.

    Going through all of it takes a tenth of a second, in which every association would wait.
    """
    gc.collect()
    gc.freeze()


def run(configuration: Configuration, sources: Sources) -> int:
    """Serve until told to stop; returns the exit code. Raises as `serve` does.

    `sources`: what the configuration was read from.
    """
    try:
        trio.run(serve, configuration.settings, configuration.origins, sources)
    except ExceptionGroup as group:
        # Nurseries wrap what ends them; a person is to read one message.
        for reason in _leaves(group):
            if isinstance(reason, Port104Error):
                raise reason from None
        raise
    return 0


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
