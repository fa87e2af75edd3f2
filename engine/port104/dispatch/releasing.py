"""Instances that the object store holds leave the storage folder, and in their time the store.

Rules that this room keeps:
- a file goes only when the ledger says that the object is there, and the store says it once more now: it may
  have lost it since, and this file is the last one;
- an object goes only when its instance does, or others took its place (jobs/ledger/objects.py).
"""

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
import trio

from port104.dispatch.caretaking import LOOK_SECONDS, remove_instances
from port104.dispatch.desk import Desk
from port104.jobs.ledger.ledger import Ledger
from port104.jobs.ledger.objects import BEFORE_ALL, Identity, StoredInstance
from port104.objects.faults import ObjectStoreError

if TYPE_CHECKING:
    from port104.objects.store import ObjectStore

log = structlog.get_logger("port104.objects")

_AT_ONCE = 500
# What others took the place of is looked for each hour, the first time after a minute.
_LOOKS_FOR_REPLACED = 60


class Releaser:
    """Lets files go, and objects. `root`: the storage folder; `at_once`: threads.

    `keep`: seconds that a file stays after its group was closed; None: for ever. `lost`: is told that there
    is something to put into the store again.
    """

    def __init__(
        self,
        desk: Desk,
        root: Path,
        store: "ObjectStore",
        at_once: int,
        keep: float | None,
        lost: Callable[[], None],
    ) -> None:
        self._desk = desk
        self._root = root
        self._store = store
        self._at_once = at_once
        self._keep = keep
        self._lost = lost
        self._limiter = trio.CapacityLimiter(at_once)

    async def run(self, space_is_low: Callable[[], bool]) -> None:
        """Look each minute, until cancelled. While space is low no file waits its time."""
        for number in itertools.count():
            await trio.sleep(LOOK_SECONDS)
            try:
                released = await self.look(space_is_low=space_is_low())
                if number % _LOOKS_FOR_REPLACED == 0:
                    await self.look_for_replaced()
                    await self.look_for_copied()
            except ObjectStoreError:
                continue  # whoever puts instances there says so
            except OSError as failure:
                log.warning("files cannot leave the storage folder; tried again", reason=failure.strerror)
                continue
            if released:
                log.info("instances are in the object store alone", instances=released)

    async def look(self, *, space_is_low: bool) -> int:
        """Let those files go that may now; returns how many. Raises ObjectStoreError."""
        if self._keep is None:
            return 0
        released, place, age = 0, self._store.place.name, 0.0 if space_is_low else self._keep
        while some := await self._desk.insist(lambda ledger: ledger.objects.releasable(place, age, _AT_ONCE)):
            there = await self._still_there(some)
            async with self._desk.folders:
                removed = partial(remove_instances, self._root, [each.identity for each in there])
                gone = await trio.to_thread.run_sync(removed)
            await self._desk.insist(partial(_released, instances=gone))
            released += len(gone)
            if len(gone) < len(there):
                break  # what could not be removed is tried again in a minute
        return released

    async def look_for_replaced(self) -> None:
        """Remove objects whose place others took. Raises ObjectStoreError."""
        while some := await self._desk.insist(lambda ledger: ledger.objects.replaced(_AT_ONCE)):
            replaced = [each.identity for each in some]
            await self.forget(replaced)
            await self._desk.insist(partial(_forgotten, instances=replaced))

    async def look_for_copied(self) -> int:
        """Find in the store what was left in an earlier one; returns how much. Raises ObjectStoreError."""
        copied, after = 0, BEFORE_ALL
        while some := await self._desk.insist(partial(_elsewhere, after=after)):
            there = [each.identity for each in await self._those_that_are_there(some)]
            await self._desk.insist(partial(_copied, instances=there))
            copied, after = copied + len(there), some[-1].identity
            if not there:
                break  # nobody copies them, or not that far yet
        return copied

    async def forget(self, instances: Sequence[Identity]) -> None:
        """Remove the objects of instances; the ledger knows of them still. Raises ObjectStoreError."""
        keys = await self._desk.insist(lambda ledger: ledger.objects.keys_of(instances))
        if keys:
            await trio.to_thread.run_sync(
                self._store.delete, keys, limiter=self._limiter, abandon_on_cancel=True
            )

    async def _still_there(self, instances: Sequence[StoredInstance]) -> list[StoredInstance]:
        """Those that the store still holds; the others are put there once more. Raises ObjectStoreError."""
        there = await self._those_that_are_there(instances)
        known = {each.identity for each in there}
        lost = [each for each in instances if each.identity not in known]
        if lost:
            await self._see_that_it_answers()
            log.warning(
                "the object store has lost instances; they are put there again",
                instances=len(lost),
                hint="does a rule of the bucket remove objects? Keep it off port104's prefix",
            )
            again = [each.identity for each in lost]
            await self._desk.insist(lambda ledger: ledger.objects.wait_again(again))
            self._lost()
        return there

    async def _see_that_it_answers(self) -> None:
        """See that objects can be read: where none can, none is lost. Raises ObjectStoreError."""
        node = await self._desk.insist(lambda ledger: ledger.node)
        await trio.to_thread.run_sync(self._store.check, f"{node}/node", limiter=self._limiter)

    async def _those_that_are_there(self, instances: Sequence[StoredInstance]) -> list[StoredInstance]:
        """Ask the store for each. Raises ObjectStoreError."""
        there: list[StoredInstance] = []
        faults: list[ObjectStoreError] = []

        async def ask(some: Sequence[StoredInstance]) -> None:
            try:
                there.extend(await trio.to_thread.run_sync(self._those_there, some, limiter=self._limiter))
            except ObjectStoreError as fault:
                faults.append(fault)

        async with trio.open_nursery() as nursery:
            for first in range(self._at_once):
                nursery.start_soon(ask, instances[first :: self._at_once])
        if faults:
            raise faults[0]
        return there

    def _those_there(self, instances: Sequence[StoredInstance]) -> list[StoredInstance]:
        return [each for each in instances if self._store.has(each.held)]


def _released(ledger: Ledger, instances: Sequence[Identity]) -> None:
    ledger.objects.released(instances)


def _elsewhere(ledger: Ledger, after: Identity) -> list[StoredInstance]:
    return ledger.moving.elsewhere(after)


def _copied(ledger: Ledger, instances: Sequence[Identity]) -> None:
    ledger.moving.copied(instances)


def _forgotten(ledger: Ledger, instances: Sequence[Identity]) -> None:
    ledger.objects.forget(instances)
