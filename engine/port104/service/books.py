"""The ledger of the running service, and what is done with what it tells."""

import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec
import trio

from port104.dispatch.backends.backend import Backend
from port104.dispatch.bookkeeping import Bookkeeper
from port104.dispatch.caretaking import Retention, put_back
from port104.dispatch.committing import Committer
from port104.dispatch.desk import Desk
from port104.dispatch.dispatching import Dispatcher
from port104.dispatch.draining import Drain
from port104.dispatch.filing import Filing
from port104.dispatch.inquiring import Asking, Inquirer
from port104.dispatch.lookout import Exports, Lookout, Runs
from port104.dispatch.node import node_of
from port104.dispatch.pulse import beat
from port104.dispatch.uploading import Uploader
from port104.export.figures import DestinationFigures
from port104.jobs.grouping import GroupingRule
from port104.jobs.ledger.ledger import Ledger
from port104.jobs.ledger.opening import look_into, open_ledger
from port104.jobs.ledger.runs import Run
from port104.jobs.planning import Plan, plan
from port104.registry.entries import Pipeline
from port104.registry.registry import Registry
from port104.service.delivery import asker_of, committer_of, counter_of, exporter_of
from port104.service.events import Events, events_of
from port104.service.object_store import ObjectStorage, object_storage_of
from port104.service.processing import destinations_of, rule_of
from port104.service.settings.events import EventsSettings
from port104.service.settings.jobs import JobsSettings
from port104.service.settings.object_store import ObjectStoreSettings
from port104.service.settings.scu import ScuSettings

_HOUR = 3600.0


class Books(msgspec.Struct, frozen=True):
    """What the rest of the service uses of it. `runs`: what cancels and repeats them.

    `filing`: takes results that somebody registers by hand. `exports`: what steers their delivery.
    `figures`: what came of that since the start. `committer`: answers for storage commitment.
    `events`: speaks with a message broker; `storage`: the object store; None: there is none. `drain`: whether
    the engine is to be taken away.
    """

    desk: Desk
    keeper: Bookkeeper
    lookout: Lookout
    runs: Runs
    filing: Filing
    exports: Exports
    committer: Committer
    figures: Callable[[], list[DestinationFigures]]
    events: Events | None
    drain: Drain
    storage: ObjectStorage | None


@asynccontextmanager
async def keeping_books(
    url: str | None,
    root: Path,
    registry: Callable[[], Registry],
    patience: float | None,
    scu: ScuSettings,
    events: EventsSettings,
    backend_of: Callable[[Pipeline], Backend],
    object_store: ObjectStoreSettings,
) -> AsyncIterator[Books]:
    """Keep the ledger while the block runs, in the database at `url` or the storage folder `root`.

    `patience`: seconds after which others may take over the runs of this engine; None: never. `scu`: how
    results are delivered; `events`: who is told of payloads, and may ask for exports. `backend_of`: what runs
    a pipeline. `object_store`: where instances are put besides. Raises DatabaseError, StorageError or
    ConfigurationError when it cannot be opened.
    """
    ledger = await trio.to_thread.run_sync(partial(_open, url, root, patience, object_store.url))
    lookout = Lookout(partial(look_into, url, root), root, ledger.node)
    try:
        desk = Desk(ledger)
        by = _ByRegistry(registry)
        storage = object_storage_of(object_store, desk, root, ledger.node)
        exporter = exporter_of(scu, desk, ledger.node, registry)
        telling = events_of(
            events,
            desk,
            root,
            lambda: [*registry().destinations],
            scu.export.failure_threshold,
            exporter.look,
        )
        dispatcher = Dispatcher(
            desk,
            ledger.node,
            root,
            registry,
            backend_of,
            by.destinations_of,
            results_left=exporter.look,
            announcer=None if telling is None else telling.announcer,
            payload_of=None if storage is None else storage.fetcher.make,
            patience=patience,
        )
        keeper = Bookkeeper(
            desk,
            root,
            by.rule_of,
            plan_of=by.plan_of,
            replaces=by.replaces,
            job_made=dispatcher.look,
            recorded=None if storage is None else storage.uploader.look,
        )
        inquirer = Inquirer(
            desk, by.asking, lambda: registry().destinations, counter_of(scu).count, keeper.look
        )
        asker = asker_of(scu, desk, registry, exporter.look)
        committer = committer_of(scu, desk, root, registry, asker.reported)
        drain = Drain(desk, keeper, lookout, ledger.node)
        await drain.resume()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keeper.run)
            nursery.start_soon(committer.run)
            nursery.start_soon(asker.run)
            nursery.start_soon(inquirer.run)
            nursery.start_soon(dispatcher.run)
            nursery.start_soon(exporter.run)
            if telling is not None:
                nursery.start_soon(telling.run)
            if storage is not None:
                nursery.start_soon(_upload, storage.uploader, keeper)
            if url is not None:
                nursery.start_soon(beat, desk, patience, dispatcher.look)
            filing = Filing(desk, root, ledger.node, exporter.look)
            yield Books(
                *(desk, keeper, lookout, dispatcher, filing, exporter, committer),
                figures=exporter.figures,
                events=telling,
                drain=drain,
                storage=storage,
            )
            nursery.cancel_scope.cancel()
        if desk.fault is None:
            await keeper.finish()
            await exporter.finish()
    finally:
        with trio.CancelScope(shield=True):
            await lookout.close()
            await trio.to_thread.run_sync(ledger.close)


def retention_of(settings: JobsSettings) -> Retention:
    """How long things are kept that are done with."""
    kept = settings.keep_instances_hours
    return Retention(
        succeeded=settings.keep_succeeded_runs_hours * _HOUR,
        failed=settings.keep_failed_runs_hours * _HOUR,
        instances=None if kept is None else kept * _HOUR,
    )


async def _upload(uploader: Uploader, keeper: Bookkeeper) -> None:
    """Put instances into the object store, by the time of writing that the ledger knows them by."""
    await keeper.counted.wait()
    await uploader.run()


class _ByRegistry:
    """What the AE titles of the moment say. Asked in worker threads: a registry is never changed."""

    def __init__(self, registry: Callable[[], Registry]) -> None:
        self._registry = registry
        self._asked_of: Registry | None = None
        self._asking: Mapping[str, Asking] = {}

    def rule_of(self, called_ae_title: str) -> GroupingRule:
        local_ae = self._registry().local_aes.get(called_ae_title)
        return GroupingRule() if local_ae is None else rule_of(local_ae.processor_settings)

    def asking(self) -> Mapping[str, Asking]:
        """Which AE titles have somebody to ask how many instances there will be."""
        registry = self._registry()
        if registry is not self._asked_of:
            self._asked_of, self._asking = registry, dict(_asking_in(registry))
        return self._asking

    def plan_of(self, called_ae_title: str, now: float) -> Plan:
        registry = self._registry()
        local_ae = registry.local_aes.get(called_ae_title)
        if local_ae is None:
            return plan(called_ae_title, {}, {}, now)
        named = {name: _id_of(given, registry) for name, given in local_ae.pipelines.items()}
        return plan(called_ae_title, named, local_ae.processor_settings, now)

    def destinations_of(self, run: Run, pipeline: Pipeline) -> Sequence[str]:
        return destinations_of(self._registry(), run.called_ae_title, pipeline)

    def replaces(self, called_ae_title: str) -> bool:
        local_ae = self._registry().local_aes.get(called_ae_title)
        return local_ae is not None and local_ae.overwrite_same_instance


def _asking_in(registry: Registry) -> Iterator[tuple[str, Asking]]:
    for called, local_ae in registry.local_aes.items():
        if local_ae.expected_from is not None:
            yield called, Asking(local_ae.expected_from, rule_of(local_ae.processor_settings))


def _id_of(id_or_name: str, registry: Registry) -> str:
    """The ID of a pipeline, which an AE title may call by its name; of an unknown one what it is called."""
    pipeline = registry.pipeline(id_or_name)
    return id_or_name if pipeline is None else pipeline.id


def _open(url: str | None, root: Path, patience: float | None, bucket: str | None) -> Ledger:
    put_back(root)
    ledger = open_ledger(url, root, node_of(root))
    ledger.register(str(root), socket.gethostname(), patience)
    ledger.has_object_store = bucket is not None
    if bucket is None:
        ledger.objects.want_none()
    return ledger
