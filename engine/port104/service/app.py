"""The running service: one nursery, all wiring.

Everything that the rooms below ask for by a protocol is put together here, and only here.
"""

import gc
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path

import structlog
import trio

from port104.dispatch.caretaking import Caretaker
from port104.errors import ConfigurationError, Port104Error
from port104.native import Intake, SpoolCounts
from port104.net.acceptor import Acceptor
from port104.net.contracts import Witness
from port104.net.credentials import Credentials
from port104.service.admission import Admission
from port104.service.api.health import Health, LedgerHealth
from port104.service.api.serving import API, Behind
from port104.service.associations import AssociationLog
from port104.service.audit.recording import recording
from port104.service.books import Books, keeping_books, retention_of
from port104.service.condition import Condition
from port104.service.configuration import Configuration
from port104.service.data_set_log import DataSetLog
from port104.service.file_limit import raise_file_limit
from port104.service.identities import identities_from
from port104.service.limits import association_limits_of, limits_of
from port104.service.registrar import Registrar, open_registrar
from port104.service.reloading import Reloader, Sources
from port104.service.running import Running, proxies_of, reserve_of
from port104.service.secure import HangUp, credentials_from, keep_fresh
from port104.service.settings.jobs import JobsSettings
from port104.service.settings.scp import ScpSettings
from port104.service.settings.storage import StorageSettings
from port104.service.settings.tree import Settings
from port104.storage.folder import others_may_write
from port104.storage.space import Room, Watermarks
from port104.storage.store import InstanceStore, open_store
from port104.storage.volume import VolumeWatch

log = structlog.get_logger("port104.service")

# After a second signal: how long broken-off transfers may take to remove their part files.
_LAST_GRACE_SECONDS = 2.0


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
    scp, storage = settings.dicom.scp, settings.storage
    identities = identities_from(scp.user_identity)
    connections = raise_file_limit(
        connections=scp.maximum_number_of_connections,
        associations=scp.maximum_number_of_associations,
    )
    credentials = credentials_from(scp.tls, time.time())
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async with (
            open_store(
                _folder_of(storage),
                sync=storage.durability == "sync",
                threads=storage.io_threads or _default_threads(),
            ) as store,
            open_registrar(settings, origins) as registrar,
            recording(settings.audit, [*registrar.registry.local_aes]) as trail,
            keeping_books(settings.registry.url, store.root, lambda: registrar.registry) as books,
            trio.open_nursery() as nursery,
        ):
            _report_recovery(store)
            watermarks = Watermarks(storage.watermark_percent, reserve_of(storage))
            watch = VolumeWatch(store, watermarks)
            await nursery.start(watch.run)
            admission = Admission(scp, registrar, watch, identities)
            associations = AssociationLog()
            witnesses: list[Witness] = [associations, books.keeper, *filter(None, [trail])]
            acceptor = _acceptor(scp, admission, store, witnesses, connections)
            hang_up, condition = HangUp(), Condition()
            health = Health(
                condition=condition,
                watch=watch,
                registrar=registrar,
                associations=lambda: acceptor.associations,
                counts=store.counts,
                ledger=lambda: LedgerHealth(books.desk.fault, books.keeper.waiting),
            )
            api = API(settings.api, _behind(registrar, associations, health, books, watch))
            await nursery.start(api.serve, store.root, hang_up)
            _settle_memory()
            addresses = await _listen(acceptor, scp, credentials)
            nursery.start_soon(_caretaker(settings.jobs, books, store, watch).run)
            data_set_log = DataSetLog()
            nursery.start_soon(data_set_log.run)
            running = Running(
                admission=admission,
                acceptor=acceptor,
                registrar=registrar,
                watermarks=watermarks,
                store=store,
                books=books.keeper,
                trail=trail,
                data_set_log=data_set_log,
                connections=connections,
            )
            running.tell_of_stored(scp)
            if trail is not None:
                trail.started()
            nursery.start_soon(_report_contents, store)
            if credentials is not None:
                nursery.start_soon(keep_fresh, credentials, scp.tls.reload_interval, hang_up)
            if sources is not None:
                nursery.start_soon(Reloader(settings, sources, running).run, hang_up)
            nursery.start_soon(_obey_signals, signals, acceptor, hang_up, condition)
            condition.serves()
            task_status.started(addresses)
            await acceptor.serve()
            nursery.cancel_scope.cancel()
        _report_end(store.counts())


def _behind(
    registrar: Registrar, associations: AssociationLog, health: Health, books: Books, watch: VolumeWatch
) -> Behind:
    return Behind(
        registrar=registrar,
        associations=associations,
        health=health,
        lookout=books.lookout,
        runs=books.runs,
        filing=books.filing,
        has_room=lambda: watch.room is Room.ENOUGH,
    )


def _caretaker(settings: JobsSettings, books: Books, store: InstanceStore, watch: VolumeWatch) -> Caretaker:
    """Removes what is done with in its time, and at once when space runs low."""
    retention = retention_of(settings)
    return Caretaker(books.desk, store.root, lambda: retention, lambda: watch.room is not Room.ENOUGH)


def _settle_memory() -> None:
    """Leave what is there at the start, and stays, out of later garbage collections.

    Going through all of it takes a tenth of a second, in which every association would wait.
    """
    gc.collect()
    gc.freeze()


def _report_recovery(store: InstanceStore) -> None:
    """Log what the start found in the folder of part files."""
    counts = store.counts()
    parts = str(store.root / "parts")
    if counts.recovered:
        log.info("finished instances whose storing was interrupted", instances=counts.recovered)
    if counts.torn:
        log.warning(
            "files that a power cut had torn before they were acknowledged are set aside",
            files=counts.torn,
            folder=parts,
            hint="their senders were told of no success; delete *.torn once nobody needs them",
        )
    if counts.left:
        log.error(
            "whole instances could not be given their names",
            instances=counts.left,
            folder=parts,
            hint="check the disk and what stands in instances/; the next start tries again",
        )


def _report_end(counts: SpoolCounts) -> None:
    """Log what came of the run; with synced instances, how many of them shared a barrier."""
    shared = {"barriers": counts.barriers, "barrier_files": counts.barrier_files} if counts.barriers else {}
    log.info("stopped", stored=counts.stored, **shared)


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


def _default_threads() -> int:
    """More would only take turns; with one alone, none is there for other peers' messages."""
    return min(64, max(2, len(os.sched_getaffinity(0))))


def _folder_of(storage: StorageSettings) -> Path:
    return Path(storage.temporary).absolute()


def _acceptor(
    scp: ScpSettings,
    admission: Admission,
    store: InstanceStore,
    witnesses: Sequence[Witness],
    connections: int,
) -> Acceptor[Intake]:
    return Acceptor(
        admit=admission,
        is_proxy=proxies_of(scp),
        sink=store,
        association_limits=association_limits_of(scp),
        limits=limits_of(scp, connections),
        trace_pdus=scp.log_data_pdus,
        witnesses=witnesses,
    )


async def _listen(
    acceptor: Acceptor[Intake], scp: ScpSettings, credentials: Credentials | None
) -> list[tuple[str, int]]:
    """Listen on the plain port, the TLS port, or both; returns the bound addresses, plain ones first."""
    addresses: list[tuple[str, int]] = []
    if scp.port is not None:
        addresses += await _listen_on(acceptor, scp, scp.port, "dicom.scp.port")
    if credentials is not None:
        addresses += await _listen_on(acceptor, scp, scp.tls.port, "dicom.scp.tls.port", credentials)
    return addresses


async def _listen_on(
    acceptor: Acceptor[Intake],
    scp: ScpSettings,
    port: int,
    setting: str,
    credentials: Credentials | None = None,
) -> list[tuple[str, int]]:
    try:
        addresses = await acceptor.listen(scp.host, port, credentials)
    except OSError as failure:
        raise ConfigurationError(
            f"cannot listen on port {port} of {scp.host or 'all addresses'}:"
            f" {failure.strerror or failure}; choose another {setting} or dicom.scp.host, stop"
            " what uses it, or grant CAP_NET_BIND_SERVICE for a port below 1024"
        ) from failure
    for address, bound in addresses:
        log.info("listening", address=address, port=bound, tls=credentials is not None)
    return addresses


async def _report_contents(store: InstanceStore) -> None:
    """Log how many instances there are. Nothing depends on it, so a failure must end nothing."""
    try:
        if await trio.to_thread.run_sync(others_may_write, store.root):
            hint = f"chmod o-w {store.root}"
            log.warning("storage folder may be changed by every user", folder=str(store.root), hint=hint)
        count = await store.count_instances()
    except OSError as failure:
        log.warning("stored instances cannot be counted", folder=str(store.root), reason=failure.strerror)
    else:
        log.info("storage folder opened", folder=str(store.root), instances=count)


async def _obey_signals(
    signals: AsyncIterator[int], acceptor: Acceptor[Intake], hang_up: HangUp, condition: Condition
) -> None:
    """SIGHUP: read files again. Else the first: drain; the second: abort, leaving behind what hangs."""
    async with trio.open_nursery() as nursery:
        async for number in signals:
            name = signal.Signals(number).name
            if number == signal.SIGHUP:
                log.info("reading configuration and files again", signal=name)
                hang_up.ring()
                continue
            if nursery.child_tasks:
                log.warning("stopping at once", signal=name)
                acceptor.abort("the service was told to stop at once")
                await trio.sleep(_LAST_GRACE_SECONDS)
                os._exit(1)  # a disk that hangs; nothing acknowledged is in doubt
            log.info("stopping", signal=name, associations=acceptor.associations)
            condition.drains()
            nursery.start_soon(acceptor.drain)
