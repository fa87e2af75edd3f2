"""The registry in the running service: read from memory, changed beside the event loop.

Rules that this room keeps:
- the database is touched in worker threads only, by one at a time;
- a change that was made holds for the next association before its caller hears of it, also where the caller
  is cancelled meanwhile;
- while the database cannot be reached, what was known last holds.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Never, TypeVar

import structlog
import trio

from port104.database.faults import DatabaseError
from port104.registry.callers import network_of
from port104.registry.catalogue import Catalogue, Scope, Token
from port104.registry.entries import Entry, Source
from port104.registry.registry import Registry
from port104.registry.store.contents import EntryStore, Listener
from port104.registry.store.opening import open_entry_store
from port104.registry.view import Kept
from port104.service.host_names import HostNames, LookUp, addresses_of
from port104.service.registration import KINDS, defaults_from
from port104.service.settings.tree import Settings

log = structlog.get_logger("port104.registry")

# Notifications come at once; this is for those that a proxy between us and the database swallows.
LOOK_SECONDS = 15.0
FIRST_RETRY_SECONDS = 0.25
LAST_RETRY_SECONDS = 10.0

ResultT = TypeVar("ResultT")
Declare = Callable[[Sequence[Kept]], Sequence[Kept]]
"""The configuration's entries -> those that hold beside them."""


class Registrar:
    """What there is, and how it is changed while port104 runs. Made by `open_registrar`."""

    def __init__(self, catalogue: Catalogue, names: Callable[[Callable[[], None]], HostNames]) -> None:
        self._catalogue = catalogue
        self._limiter = trio.CapacityLimiter(1)
        self._in_order = trio.Lock()  # what was changed last is what holds
        self._names = names(self._name_addresses)
        self._reject_unknown_sources = True
        self._given: Callable[[], tuple[Kept, ...]] = tuple
        self._declare: Declare = _none_declared
        self._remarks: frozenset[tuple[str, str]] = frozenset()
        self.registry = Registry()
        """By which associations are judged now."""
        self.fault: str | None = None
        """Why the database cannot be used at the moment, in words."""

    # ---- from memory ----

    def kept(self, entry_type: type[Entry]) -> tuple[Kept, ...]:
        """As Catalogue's."""
        return self._catalogue.kept(entry_type)

    def find(self, entry_type: type[Entry], name: str) -> Kept:
        """As Catalogue's."""
        return self._catalogue.find(entry_type, name)

    def tokens(self) -> tuple[Token, ...]:
        """As Catalogue's."""
        return self._catalogue.tokens()

    def warnings(self, entry: Entry, former_name: str = "") -> tuple[str, ...]:
        """As Catalogue's."""
        return self._catalogue.warnings(entry, former_name)

    def counts(self) -> dict[str, int]:
        """How many entries of each kind hold; for logs."""
        titles = {kind.entry: kind.title.lower().replace(" ", "_") for kind in KINDS}
        return {f"{title}s": len(self.kept(entry)) for entry, title in titles.items()}

    def token_of(self, secret: str) -> Token | None:
        """As Catalogue's."""
        return self._catalogue.token_of(secret)

    # ---- changes ----

    async def create(self, entry: Entry) -> Kept:
        """As Catalogue's; the next association is judged by it."""
        return await self._store(partial(self._catalogue.create, entry))

    async def replace(self, name: str, entry: Entry, revision: int | None) -> Kept:
        """As Catalogue's; the next association is judged by it."""
        return await self._store(partial(self._catalogue.replace, name, entry, revision))

    async def delete(self, entry_type: type[Entry], name: str, revision: int | None) -> Kept:
        """As Catalogue's; the next association is judged by it."""
        return await self._change(partial(self._catalogue.delete, entry_type, name, revision))

    async def create_token(self, name: str, scope: Scope) -> str:
        """As Catalogue's."""
        return await self._change(partial(self._catalogue.create_token, name, scope))

    async def delete_token(self, name: str) -> None:
        """As Catalogue's."""
        await self._change(partial(self._catalogue.delete_token, name))

    async def refresh(self) -> bool:
        """As Catalogue's: read what others changed."""
        changed = await self._in_thread(self._catalogue.refresh)
        if changed:
            await self._change(_nothing, in_database=False)
        return changed

    async def set_defaults(self, settings: Settings, origins: Mapping[str, str]) -> None:
        """Put these settings in place of the configuration: its entries, and `rejectUnknownSources`."""
        self._reject_unknown_sources = settings.dicom.scp.reject_unknown_sources
        self._given = partial(defaults_from, settings, origins)
        await self._put_defaults()

    async def declare(self, declare: Declare) -> None:
        """Have entries that stand elsewhere hold beside the configuration's, as read-only as those.

        `declare` is given these, in a worker thread, now and whenever they change.
        """
        self._declare = declare
        await self._put_defaults()

    async def _put_defaults(self) -> None:
        read, declare = self._given, self._declare

        def put() -> None:
            given = read()
            self._catalogue.set_defaults((*given, *declare(given)))

        await self._change(put, in_database=False)

    async def _store(self, change: Callable[[], Kept]) -> Kept:
        """Make a change; where it brings host names, wait for their addresses, so that it holds at once."""
        kept = await self._change(change)
        if isinstance(kept.entry, Source):
            await self._names.settle([host for host in kept.entry.hosts if network_of(host) is None])
        return kept

    async def _change(self, change: Callable[[], ResultT], *, in_database: bool = True) -> ResultT:
        """Make a change in a thread, and with it the registry that judges associations from then on."""
        addresses = self._names.addresses

        def changed() -> tuple[ResultT, Registry, frozenset[tuple[str, str]]]:
            result = change()
            registry = self._catalogue.registry(reject_unknown_sources=self._reject_unknown_sources)
            return result, registry.with_resolved(addresses), frozenset(_remarks(self._catalogue))

        async with self._in_order:
            result, registry, remarks = await self._in_thread(changed, in_database=in_database)
            self.registry = registry
            if addresses is not self._names.addresses:
                self._name_addresses()
            self._names.want(registry.host_names)
        for event, words in sorted(remarks - self._remarks):
            log.warning(event, reason=words)
        self._remarks = remarks
        return result

    async def _in_thread(self, work: Callable[[], ResultT], *, in_database: bool = True) -> ResultT:
        """Work with the database. Not abandoned when cancelled: what was done must be heard of.

        `in_database`: whether it does work with it, so that its success says that the database can be used.
        """
        try:
            result = await trio.to_thread.run_sync(work, limiter=self._limiter)
        except DatabaseError as fault:
            self._failed(fault)
            raise
        if in_database and self.fault is not None:
            log.info("the registry's database can be used again")
            self.fault = None
        return result

    def _name_addresses(self) -> None:
        self.registry = self.registry.with_resolved(self._names.addresses)

    # ---- what others change ----

    async def run(self, store: EntryStore) -> None:
        """Look host names up, and hear of what others change in the database."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._names.run)
            nursery.start_soon(self._follow, store)

    async def _follow(self, store: EntryStore) -> None:
        delay = FIRST_RETRY_SECONDS
        while True:
            try:
                listener = await trio.to_thread.run_sync(store.listen, limiter=self._limiter)
                if listener is None:
                    await self._look_whether_it_works()
                delay = FIRST_RETRY_SECONDS
                await self._hear(listener)
            except DatabaseError as fault:
                self._failed(fault)
            await trio.sleep(delay)
            delay = min(2 * delay, LAST_RETRY_SECONDS)

    async def _look_whether_it_works(self) -> Never:
        """Nobody else can change the database: there is something to see only after a fault."""
        while True:
            await trio.sleep(LOOK_SECONDS)
            if self.fault is not None:
                await self.refresh()

    async def _hear(self, listener: Listener) -> None:
        """Refresh at once, for what was missed, and with each notification. Raises DatabaseError."""
        try:
            while True:
                await self.refresh()
                with trio.move_on_after(LOOK_SECONDS):
                    await trio.lowlevel.wait_readable(listener.fileno())
                await trio.to_thread.run_sync(listener.drain)
        finally:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(listener.close)

    def _failed(self, fault: DatabaseError) -> None:
        if self.fault is None:
            log.error("the registry's database cannot be used; what was read last holds", reason=str(fault))
        self.fault = str(fault)


def _remarks(catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    """What will surprise about the entries: an event for the log, and its words."""
    for words in catalogue.hidden():
        yield "an entry of the configuration hides a stored one", words
    for end in catalogue.loose_ends():
        yield "an entry names another that there is not", f"{end}: {end.hint}"


def _none_declared(_: Sequence[Kept]) -> Sequence[Kept]:
    return ()


def _nothing() -> None:
    """For a registry of what there is."""


@asynccontextmanager
async def open_registrar(
    settings: Settings, origins: Mapping[str, str], *, look_up: LookUp = addresses_of
) -> AsyncIterator[Registrar]:
    """Read the registry, and keep it up to date while the block runs.

    `origins`: where settings come from (configuration.Configuration). The storage folder must be there, and
    this process's. Raises DatabaseError, or ConfigurationError, when the database cannot be used at start.
    """
    folder = Path(settings.storage.temporary)
    store = await trio.to_thread.run_sync(open_entry_store, settings.registry.url, folder)
    try:
        catalogue = await trio.to_thread.run_sync(Catalogue, store)
        registrar = Registrar(catalogue, partial(HostNames, look_up=look_up))
        await registrar.set_defaults(settings, origins)
        log.info("registry read", **registrar.counts())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(registrar.run, store)
            yield registrar
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(store.close)
