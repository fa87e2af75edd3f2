"""What keeps data beyond the run: opened at the start, one after the other, and closed at the end."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from port104.dispatch.backends.choosing import Backends
from port104.dispatch.backends.kubernetes.absent import NoCluster
from port104.dispatch.backends.kubernetes.backend import KubernetesBackend
from port104.service.api.health import Followed
from port104.service.audit.recording import recording
from port104.service.audit.trail import AuditTrail
from port104.service.books import Books, keeping_books
from port104.service.cluster_jobs import making_jobs
from port104.service.custom_resources.following import CustomResources, following_custom_resources
from port104.service.object_store import carrier_of
from port104.service.registrar import Registrar, open_registrar
from port104.service.settings.storage import StorageSettings
from port104.service.settings.tree import Settings
from port104.service.stocktaking import report_end, report_recovery
from port104.storage.store import InstanceStore, default_threads, open_store


class Opened(msgspec.Struct, frozen=True):
    """What is open. None: a `trail` where nothing is audited, others where nothing is asked of a cluster."""

    store: InstanceStore
    registrar: Registrar
    custom_resources: CustomResources | None
    kubernetes: KubernetesBackend | None
    trail: AuditTrail | None
    books: Books

    @property
    def followed(self) -> dict[str, Followed]:
        """What is followed of a cluster, as the health calls it."""
        given = {"customResources": self.custom_resources, "kubernetesJobs": self.kubernetes}
        return {name: each for name, each in given.items() if each is not None}


@asynccontextmanager
async def opened(settings: Settings, origins: Mapping[str, str]) -> AsyncIterator[Opened]:
    """Hold all of it open while the block runs.

    `origins`: where settings come from (configuration.Configuration). Raises StorageError, DatabaseError or
    ConfigurationError when one cannot be opened; then those before it are closed again.
    """
    storage = settings.storage
    async with (
        open_store(
            _folder_of(storage),
            sync=storage.durability == "sync",
            threads=storage.io_threads or default_threads(),
            journal=storage.journal_megabytes << 20,
        ) as store,
        open_registrar(settings, origins) as registrar,
        following_custom_resources(
            registrar, store.root, wanted=settings.read_ae_titles_from_crd
        ) as resources,
        recording(settings.audit, [*registrar.registry.local_aes]) as trail,
        making_jobs(store.root, wanted=settings.jobs.kubernetes, carrier=carrier_of(settings)) as kubernetes,
        keeping_books(
            settings, store.root, lambda: registrar.registry, Backends(kubernetes or NoCluster())
        ) as books,
    ):
        report_recovery(store)
        yield Opened(store, registrar, resources, kubernetes, trail, books)
    report_end(store.counts())


def _folder_of(storage: StorageSettings) -> Path:
    return Path(storage.temporary).absolute()
