"""The ledger of the running service, and what is done with what it tells."""

import socket
from collections.abc import AsyncIterator, Callable
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
from port104.dispatch.draining import Drain
from port104.dispatch.filing import Filing
from port104.dispatch.lookout import Exports, Lookout, Runs
from port104.dispatch.node import node_of
from port104.dispatch.pulse import beat
from port104.dispatch.uploading import Uploader
from port104.export.figures import DestinationFigures
from port104.jobs.ledger.ledger import Ledger
from port104.jobs.ledger.opening import look_into, open_ledger
from port104.registry.entries import Pipeline
from port104.registry.registry import Registry
from port104.service.delivery import counter_of, delivery_of, policy_of
from port104.service.events import Events, events_of
from port104.service.jobs import jobs_of
from port104.service.object_store import ObjectStorage, object_storage_of
from port104.service.settings.jobs import JobsSettings
from port104.service.settings.tree import Settings
from port104.service.site import Site

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
    settings: Settings,
    root: Path,
    registry: Callable[[], Registry],
    backend_of: Callable[[Pipeline], Backend],
) -> AsyncIterator[Books]:
    """Keep the ledger while the block runs, in the registry's database or the storage folder `root`.

    `backend_of`: what runs a pipeline. Raises DatabaseError, StorageError or ConfigurationError when it
    cannot be opened.
    """
    async with _open_ledger(settings, root) as (ledger, lookout):
        site = Site(Desk(ledger), root, ledger.node, registry)
        works = _Works(settings, site, backend_of)
        drain = Drain(site.desk, works.jobs.keeper, lookout, site.node)
        await drain.resume()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(works.run)
            yield _books_of(site, works, lookout, drain)
            nursery.cancel_scope.cancel()
        if site.desk.fault is None:
            await works.jobs.keeper.finish()
            await works.delivery.exporter.finish()


def retention_of(settings: JobsSettings) -> Retention:
    """How long things are kept that are done with."""
    kept = settings.keep_instances_hours
    return Retention(
        succeeded=settings.keep_succeeded_runs_hours * _HOUR,
        failed=settings.keep_failed_runs_hours * _HOUR,
        instances=None if kept is None else kept * _HOUR,
    )


@asynccontextmanager
async def _open_ledger(settings: Settings, root: Path) -> AsyncIterator[tuple[Ledger, Lookout]]:
    """Open the ledger, and what looks into it beside whoever works with it."""
    ledger = await trio.to_thread.run_sync(_registered, settings, root)
    lookout = Lookout(partial(look_into, settings.registry.url, root), root, ledger.node)
    try:
        yield ledger, lookout
    finally:
        with trio.CancelScope(shield=True):
            await lookout.close()
            await trio.to_thread.run_sync(ledger.close)


def _registered(settings: Settings, root: Path) -> Ledger:
    """Open the ledger, in which this engine stands then."""
    put_back(root)
    ledger = open_ledger(settings.registry.url, root, node_of(root))
    ledger.register(str(root), socket.gethostname(), settings.jobs.take_over_after_seconds)
    ledger.has_object_store = settings.object_store.url is not None
    if not ledger.has_object_store:
        ledger.objects.want_none()
    return ledger


class _Works:
    """What works with the ledger, put together and not yet started."""

    def __init__(self, settings: Settings, site: Site, backend_of: Callable[[Pipeline], Backend]) -> None:
        scu = settings.dicom.scu
        self._desk = site.desk
        self._shared = settings.registry.url is not None
        self._patience = settings.jobs.take_over_after_seconds
        self.storage = object_storage_of(settings.object_store, site)
        self.delivery = delivery_of(scu, site)
        results_left = self.delivery.exporter.look
        self.events = events_of(settings.events, site, policy_of(scu), results_left)
        self.jobs = jobs_of(
            site,
            backend_of,
            counter_of(scu).count,
            self.storage,
            patience=self._patience,
            results_left=results_left,
            announcer=None if self.events is None else self.events.announcer,
        )

    async def run(self) -> None:
        """Work until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.jobs.run)
            nursery.start_soon(self.delivery.run)
            if self.events is not None:
                nursery.start_soon(self.events.run)
            if self.storage is not None:
                nursery.start_soon(_upload, self.storage.uploader, self.jobs.keeper)
            if self._shared:
                nursery.start_soon(beat, self._desk, self._patience, self.jobs.dispatcher.look)


async def _upload(uploader: Uploader, keeper: Bookkeeper) -> None:
    """Put instances into the object store, by the time of writing that the ledger knows them by."""
    await keeper.counted.wait()
    await uploader.run()


def _books_of(site: Site, works: _Works, lookout: Lookout, drain: Drain) -> Books:
    exporter = works.delivery.exporter
    return Books(
        desk=site.desk,
        keeper=works.jobs.keeper,
        lookout=lookout,
        runs=works.jobs.dispatcher,
        filing=Filing(site.desk, site.root, site.node, exporter.look),
        exports=exporter,
        committer=works.delivery.committer,
        figures=exporter.figures,
        events=works.events,
        drain=drain,
        storage=works.storage,
    )
