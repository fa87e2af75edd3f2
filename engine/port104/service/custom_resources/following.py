"""Follows the custom resources of the pod's namespace while port104 runs.

Rules that this room keeps:
- what the API server said last holds while it is away, over restarts too;
- all that was heard at once holds at once, and is told only then;
- each engine tells a verdict once: where two differ they do not write over each other for ever;
- a fault in here never ends what receives.
"""

import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
import trio

from port104.cluster.api_server import ApiServer, open_api_server
from port104.cluster.collection import custom
from port104.cluster.faults import ClusterError
from port104.cluster.place import place_from
from port104.cluster.resources import Resource
from port104.cluster.watching import Watcher
from port104.errors import StorageError
from port104.service.custom_resources.judging import Declaration, Judge, Key, Verdict
from port104.service.custom_resources.keeping import FILE_NAME, keep, read_kept
from port104.service.custom_resources.kinds import BY_PLURAL, RESOURCE_KINDS
from port104.service.custom_resources.telling import event_of, status_of
from port104.service.registrar import Registrar

log = structlog.get_logger("port104.registry")

# How long a start waits for the first lists: they take milliseconds where the API server is there.
START_SECONDS = 5.0
# How often is looked for what is still to be told: statuses that could not be written, and what a
# configuration that was read again changed.
TELL_SECONDS = 10.0
_SETTING = "readAeTitlesFromCrd"

Told = tuple[int, Verdict, tuple[str, ...]]
"""Of which generation what was said, and what else it lacks."""


class CustomResources:
    """What was heard, made to hold and told. Made by `following_custom_resources`."""

    def __init__(
        self, server: ApiServer, registrar: Registrar, file: Path, clock: Callable[[], float] = time.time
    ) -> None:
        self._server = server
        self._registrar = registrar
        self._file = file
        self._clock = clock
        self._watchers = {
            each.plural: Watcher(server, custom(each.plural), self._heard, self._reported)
            for each in RESOURCE_KINDS
        }
        self._judge = Judge((), server.namespace)
        self._judged: tuple[Declaration, ...] = ()
        self._kept: tuple[Declaration, ...] = ()
        self._told: Mapping[Key, Told] = {}
        self._faults: dict[str, str] = {}
        self._change, self._verdicts = trio.Event(), trio.Event()
        self.complete = trio.Event()
        """Every kind was listed, and what it says holds."""

    async def restore(self) -> None:
        """Have hold what was heard last in another run."""
        try:
            self._kept = await trio.to_thread.run_sync(read_kept, self._file)
        except StorageError as fault:
            log.warning("the custom resources of the last run are lost", reason=str(fault))
        await self._make_hold(self._kept)

    def report_start(self) -> None:
        """Say so where port104 starts with what was kept."""
        if not self.complete.is_set():
            log.warning(
                "the API server did not list custom resources in time; those heard last hold",
                kept=len(self._kept),
            )

    async def run(self) -> None:
        """Follow until cancelled."""
        async with trio.open_nursery() as nursery:
            for watcher in self._watchers.values():
                nursery.start_soon(watcher.run)
            nursery.start_soon(self._apply)
            nursery.start_soon(self._tell)

    # ---- what is heard ----

    @property
    def fault(self) -> str | None:
        """Why they cannot be followed at the moment, in words."""
        return next(iter(self._faults.values()), None)

    def _heard(self) -> None:
        self._change.set()

    def _reported(self, plural: str, fault: ClusterError | None) -> None:
        """Log when the API server goes away, and when it is back; once, not for each kind and attempt."""
        if fault is not None:
            if str(fault) not in self._faults.values():
                log.warning(
                    "custom resources cannot be followed; what was heard last holds", reason=str(fault)
                )
            self._faults[plural] = str(fault)
        elif self._faults.pop(plural, None) is not None and not self._faults:
            log.info("custom resources are followed again")

    def _declarations(self) -> Iterator[Declaration]:
        """What is declared now: of a kind that was not listed yet, what was kept."""
        held = {each.key: each.held for each in self._kept}
        for plural, watcher in self._watchers.items():
            if not watcher.mirror.listed:
                yield from (each for each in self._kept if each.plural == plural)
                continue
            for resource in watcher.mirror.resources.values():
                about = resource.metadata
                yield Declaration(
                    plural,
                    about.name,
                    about.uid,
                    about.generation,
                    about.creation_timestamp or "",
                    resource.spec,
                    held.get((plural, about.uid)),
                )

    async def _apply(self) -> None:
        while True:
            await self._change.wait()
            self._change = trio.Event()
            listed = all(watcher.mirror.listed for watcher in self._watchers.values())
            try:
                await self._make_hold([*self._declarations()])
            except Exception:
                log.exception("custom resources could not be taken over: what held before holds")
            if listed:
                self.complete.set()

    async def _make_hold(self, declarations: "list[Declaration] | tuple[Declaration, ...]") -> None:
        judge = Judge(declarations, self._server.namespace, self._judge)
        if judge.declarations != self._judged:
            await self._registrar.declare(judge.judge)
            self._judge, self._judged = judge, judge.held()
            await self._keep(self._judged)
            log.info(
                "custom resources read",
                accepted=sum(verdict.accepted for verdict in judge.verdicts.values()),
                refused=sum(not verdict.accepted for verdict in judge.verdicts.values()),
            )
        self._verdicts.set()

    async def _keep(self, declarations: tuple[Declaration, ...]) -> None:
        if declarations == self._kept:
            return
        self._kept = declarations
        try:
            await trio.to_thread.run_sync(keep, self._file, declarations)
        except StorageError as fault:
            log.warning("custom resources cannot be kept", reason=str(fault))

    # ---- what is told ----

    async def _tell(self) -> None:
        while True:
            with trio.move_on_after(TELL_SECONDS):
                await self._verdicts.wait()
            self._verdicts = trio.Event()
            told: dict[Key, Told] = {}
            judge = self._judge
            for each in judge.declarations:
                resource = self._resource(each)
                this = resource and await self._tell_of(each.key, judge.verdicts[each.key], resource)
                if this:
                    told[each.key] = this
            self._told = told  # and of what is gone nothing is remembered

    def _resource(self, judged: Declaration) -> Resource | None:
        """The resource, where it is there and still is the one that was judged."""
        found = self._watchers[judged.plural].mirror.resources.values()
        same = (judged.uid, judged.generation)
        return next((each for each in found if (each.metadata.uid, each.metadata.generation) == same), None)

    async def _tell_of(self, key: Key, verdict: Verdict, resource: Resource) -> Told | None:
        """Write its status, and an Event where it does not hold; what was told, None: it could not be."""
        holds = verdict.holds
        warnings = self._registrar.warnings(holds.entry) if holds is not None else ()
        this: Told = (resource.metadata.generation, verdict, warnings)
        if self._told.get(key) == this:
            return this
        plural, now = key[0], self._clock()
        kind, name = BY_PLURAL[plural].name, resource.metadata.name
        status = status_of(verdict, warnings, resource, now)
        if status is None:
            return this
        if not verdict.accepted:
            log.warning("a custom resource does not hold", kind=kind, name=name, reason=verdict.message)
        try:
            await self._server.write_status(custom(plural), name, status)
            if not verdict.accepted:
                await self._server.create_event(
                    event_of(verdict, kind, self._server.namespace, resource, now)
                )
        except ClusterError as fault:
            log.warning("what became of a custom resource could not be told", name=name, reason=str(fault))
            return None
        return this


@asynccontextmanager
async def following_custom_resources(
    registrar: Registrar, folder: Path, environ: Mapping[str, str] = os.environ, *, wanted: bool
) -> AsyncIterator[CustomResources | None]:
    """Have custom resources hold while the block runs, where they are `wanted` and this is a pod.

    Waits a moment for the API server, and begins with what `folder` has kept where it does not answer. Raises
    ConfigurationError where the pod may not ask it at all.
    """
    place = await trio.to_thread.run_sync(place_from, environ, _SETTING) if wanted else None
    if place is None:
        yield None
        return
    async with open_api_server(place) as server:
        resources = CustomResources(server, registrar, folder / FILE_NAME)
        await resources.restore()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(resources.run)
            with trio.move_on_after(START_SECONDS):
                await resources.complete.wait()
            resources.report_start()
            yield resources
            nursery.cancel_scope.cancel()
