"""The payload of a run whose instances are not all on this machine: what is elsewhere is fetched.

    <storage folder>/runs/<run>/<attempt>.fetched/<file>    objects, until the payload is made

Rules that this room keeps:
- a run begins once its payload is whole: until another engine has put its part into the object store, and
  while the store is away, the run waits, without an attempt being used up;
- what was fetched has its name only once it is what was stored (objects/store.py), and is not fetched again;
- what was put into an earlier store may have been copied into this one: it is looked for, and waited for.
"""

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import trio

from port104.dispatch.payload import MANIFEST, IncompleteError, Shelves, build, build_listed, folder_of
from port104.errors import StorageError
from port104.jobs.ledger.members import Member
from port104.jobs.ledger.runs import Run
from port104.objects.faults import DamagedObjectError, MissingObjectError, ObjectStoreError
from port104.objects.held import Held
from port104.registry.entries import Pipeline

if TYPE_CHECKING:
    from port104.objects.store import ObjectStore


class Fetcher:
    """Makes payloads. `root`, `node`: our storage folder and its name; `at_once`: objects at a time."""

    def __init__(self, root: Path, node: str, store: "ObjectStore", at_once: int) -> None:
        self._root = root
        self._node = node
        self._store = store
        self._limiter = trio.CapacityLimiter(at_once)

    async def make(self, run: Run, members: Sequence[Member], pipeline: Pipeline) -> Path:
        """Make the folder of an attempt, as payload.build does, or build_listed for who reads objects.

        Raises IncompleteError where the run must wait, and StorageError.
        """
        if pipeline.reads_objects:
            self._see_that_all_are_there(members)
            listed = partial(build_listed, self._root, run, members, self._store.place.url_of)
            return await trio.to_thread.run_sync(listed)
        folder = folder_of(self._root, run)
        away = await trio.to_thread.run_sync(self._away, folder, members)
        shelf = folder.with_name(f"{folder.name}.fetched")
        fetched = await self._fetch(shelf, away)
        told = {member: self._told(member) for member in members}
        made = await trio.to_thread.run_sync(
            build,
            self._root,
            self._node,
            run,
            [*told.values()],
            {told[member]: path for member, path in fetched.items()},
            self._store.place.url_of,
        )
        await trio.to_thread.run_sync(partial(shutil.rmtree, shelf, ignore_errors=True))
        return made

    def _see_that_all_are_there(self, members: Sequence[Member]) -> None:
        """See that the object store has every instance. Raises IncompleteError."""
        if lacking := [each for each in members if each.held is None]:
            raise IncompleteError(_waits_for(lacking))
        for member in members:
            if elsewhere := self._elsewhere(member):
                raise IncompleteError(_is_in(elsewhere))

    def _away(self, folder: Path, members: Sequence[Member]) -> list[Member]:
        """Which instances are to be fetched. Raises IncompleteError where another engine has one alone."""
        if (folder / MANIFEST).exists():
            return []
        shelves = Shelves(self._root, self._node)
        away, lacking = [], []
        for member in members:
            path = shelves.of(member)
            if path is not None and path.exists():
                continue
            if member.held is not None:
                away.append(member)
            elif path is None:
                lacking.append(member)
        if lacking:
            raise IncompleteError(_waits_for(lacking))
        return away

    async def _fetch(self, shelf: Path, members: Sequence[Member]) -> Mapping[Member, Path]:
        """Have objects in a folder; returns where each is."""
        if not members:
            return {}
        await trio.to_thread.run_sync(partial(shelf.mkdir, parents=True, exist_ok=True))
        fetched = {member: shelf / f"{member.node}-{Path(member.file).name}" for member in members}
        faults: list[IncompleteError | ObjectStoreError | StorageError] = []

        async def fetch(member: Member, target: Path) -> None:
            try:
                if not faults and member.held is not None:
                    await trio.to_thread.run_sync(
                        self._fetch_one,
                        *(member.held, self._elsewhere(member), target),
                        limiter=self._limiter,
                        abandon_on_cancel=True,
                    )
            except (IncompleteError, ObjectStoreError, StorageError) as fault:
                faults.append(fault)

        async with trio.open_nursery() as nursery:
            for member, target in fetched.items():
                nursery.start_soon(fetch, member, target)
        for fault in faults:
            if isinstance(fault, IncompleteError | StorageError):
                raise fault
            raise IncompleteError(str(fault)) from fault
        return fetched

    def _elsewhere(self, member: Member) -> str | None:
        """Which other store an instance was put into; None: into this one."""
        return None if member.place == self._store.place.name else member.place

    def _told(self, member: Member) -> Member:
        """As the payload is to tell of it: without an object that is elsewhere."""
        return msgspec.structs.replace(member, held=None) if self._elsewhere(member) else member

    def _fetch_one(self, held: Held, elsewhere: str | None, target: Path) -> None:
        try:
            if not target.exists():
                self._store.fetch(held, target)
        except MissingObjectError as fault:
            if elsewhere is not None:
                raise IncompleteError(_is_in(elsewhere)) from fault
            raise StorageError(f"an instance of the job cannot be had: {fault}") from fault
        except DamagedObjectError as fault:
            raise StorageError(f"an instance of the job cannot be had: {fault}") from fault
        except OSError as failure:
            raise StorageError(
                f"an instance of the job cannot be written: {failure.strerror} ({target.parent}); check the"
                " disk of the storage folder"
            ) from failure


def _is_in(elsewhere: str) -> str:
    return (
        f"waits for instances that are in another object store, {elsewhere}: copy them from there, under"
        " their keys, or set objectStore.url back"
    )


def _waits_for(members: Sequence[Member]) -> str:
    (host, node), count = Counter((each.host, each.node) for each in members).most_common(1)[0]
    return (
        f"waits for {len(members)} instances that are not in the object store yet, {count} of them in the"
        f" storage folder of the engine on {host or 'an unknown machine'} (node {node}): is it running?"
    )
