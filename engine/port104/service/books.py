"""The ledger of the running service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

import trio

from port104.dispatch.bookkeeping import Bookkeeper
from port104.dispatch.node import node_of
from port104.jobs.grouping import GroupingRule
from port104.jobs.ledger.ledger import Ledger
from port104.jobs.ledger.opening import open_ledger
from port104.registry.registry import Registry
from port104.service.processing import rule_of


class HasRegistry(Protocol):
    """Knows what holds now; a Registrar is one."""

    @property
    def registry(self) -> Registry:
        """By which instances are grouped."""
        ...


@asynccontextmanager
async def keeping_books(url: str | None, root: Path, registrar: HasRegistry) -> AsyncIterator[Bookkeeper]:
    """Keep the ledger while the block runs, in the database at `url` or the storage folder `root`.

    Raises DatabaseError, StorageError or ConfigurationError when it cannot be opened.
    """

    def grouping(called_ae_title: str) -> GroupingRule:
        local_ae = registrar.registry.local_aes.get(called_ae_title)
        return GroupingRule() if local_ae is None else rule_of(local_ae.processor_settings)

    def replaces(called_ae_title: str) -> bool:
        local_ae = registrar.registry.local_aes.get(called_ae_title)
        return local_ae is not None and local_ae.overwrite_same_instance

    ledger = await trio.to_thread.run_sync(partial(_open, url, root))
    try:
        keeper = Bookkeeper(ledger, root, grouping, replaces=replaces)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keeper.run)
            yield keeper
            nursery.cancel_scope.cancel()
        if keeper.fault is None:
            await keeper.finish()
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(ledger.close)


def _open(url: str | None, root: Path) -> Ledger:
    return open_ledger(url, root, node_of(root))
