"""Folders of runs and instances that are done with are removed, in their time or when space runs low.

Rules that this room keeps:
- only what the ledger says is done with is touched (jobs/ledger/retention.py), in this storage folder alone;
- what is in the object store besides leaves that first: what is known to be there can be removed once more.
  While it cannot, the rest goes;
- an instance that came in the meantime under the same name stays: what is removed is looked at once it has no
  name any more that others use.
"""

import itertools
import shutil
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec
import structlog
import trio

from port104.dispatch.desk import Desk
from port104.dispatch.payload import RUNS
from port104.jobs.ledger.ledger import Ledger
from port104.objects.faults import ObjectStoreError

log = structlog.get_logger("port104.jobs")

LOOK_SECONDS = 60.0
# Removed at a time, so that the ledger and the disk are there for others in between.
_AT_ONCE = 500
# Folders are held against the ledger each hour, the first time after a minute.
_LOOKS_FOR_LEFT = 60
_ASIDE = "removing"


class Retention(msgspec.Struct, frozen=True):
    """How long things are kept that are done with, in seconds.

    `succeeded`, `failed`: folders of runs, after their end; `instances`: after their group was closed, None:
    for ever.
    """

    succeeded: float
    failed: float
    instances: float | None


Forget = Callable[[Sequence[tuple[str, int]]], Awaitable[None]]
"""Removes instances, by file and time of writing, from the object store. Raises ObjectStoreError."""


Clear = Callable[[Sequence[str]], Awaitable[Sequence[str]]]
"""Removes what runs left in the object store; returns those of which it has nothing."""


class Caretaker:
    """Removes what is done with. `retention`: as it is now; `space_is_low`: then nothing waits its time.

    `forget`, `clear`: have instances, and what runs left, leave the object store; None: there is none.
    """

    def __init__(
        self,
        desk: Desk,
        root: Path,
        retention: Callable[[], Retention],
        space_is_low: Callable[[], bool],
        forget: Forget | None = None,
        clear: Clear | None = None,
    ) -> None:
        self._desk = desk
        self._root = root
        self._retention = retention
        self._space_is_low = space_is_low
        self._forget = forget
        self._clear = clear

    async def run(self) -> None:
        """Look each minute, until cancelled."""
        for number in itertools.count():
            await trio.sleep(LOOK_SECONDS)
            runs, instances = await self.look()
            if number % _LOOKS_FOR_LEFT == 0:
                runs += await self.look_for_left()
            if runs or instances:
                log.info("removed what was done with", runs=runs, instances=instances)

    async def look(self) -> tuple[int, int]:
        """Remove what may go now; returns how many runs' folders and how many instances."""
        retention = self._retention()
        if self._space_is_low():
            kept_instances = None if retention.instances is None else 0.0
            retention = Retention(0.0, retention.failed, kept_instances)
        return await self._runs(retention), await self._instances(retention)

    async def look_for_left(self) -> int:
        """Remove folders that the ledger does not look for here; returns how many.

        Of runs whose later attempts other engines made, and of those that could not be removed before.
        """
        kept, removed = self._retention(), 0
        there = await trio.to_thread.run_sync(_folders_in, self._root / RUNS)
        for some in (there[first : first + _AT_ONCE] for first in range(0, len(there), _AT_ONCE)):
            asked = partial(Ledger.left_done_with, run_ids=some, succeeded=kept.succeeded, failed=kept.failed)
            async with self._desk.folders:
                left = await self._cleared(await self._desk.insist(asked))
                await trio.to_thread.run_sync(_remove_folders, self._root / RUNS, left)
            removed += len(left)
        return removed

    async def _runs(self, retention: Retention) -> int:
        removed = 0
        while some := await self._some_runs(retention):
            removed += some
        return removed

    async def _some_runs(self, retention: Retention) -> int:
        async with self._desk.folders:
            done = await self._desk.insist(
                lambda ledger: ledger.runs_done_with(retention.succeeded, retention.failed, _AT_ONCE)
            )
            if gone := await self._cleared(done):
                await trio.to_thread.run_sync(_remove_folders, self._root / RUNS, gone)
                await self._desk.insist(partial(Ledger.write_off_runs, run_ids=gone))
            return len(gone)

    async def _cleared(self, run_ids: Sequence[str]) -> Sequence[str]:
        """Those runs of which nothing is in the object store."""
        return await self._clear(run_ids) if self._clear is not None and run_ids else run_ids

    async def _instances(self, retention: Retention) -> int:
        removed = 0
        if retention.instances is None:
            return removed
        age = retention.instances
        while done := await self._desk.insist(lambda ledger: ledger.instances_done_with(age, _AT_ONCE)):
            if self._forget is not None:
                try:
                    await self._forget(done)
                except ObjectStoreError as fault:
                    log.warning("instances cannot be removed from the object store", reason=str(fault))
                    break
            async with self._desk.folders:
                gone = await trio.to_thread.run_sync(remove_instances, self._root, done)
            await self._desk.insist(partial(Ledger.write_off_instances, instances=gone))
            removed += len(gone)
            if len(gone) < len(done):
                break  # what could not be removed is tried again in a minute
        return removed


def put_back(root: Path) -> None:
    """Give files their names again whose removal was cut off: whether they may go is asked anew.

    For a start; blocks on the disk. Raises OSError.
    """
    aside = root / _ASIDE
    for path in aside.iterdir() if aside.exists() else ():
        _give_back(path, root / "instances" / path.name[:2] / path.name)


def _folders_in(runs: Path) -> list[str]:
    return [path.name for path in runs.iterdir() if path.is_dir()] if runs.exists() else []


def _remove_folders(runs: Path, run_ids: Sequence[str]) -> None:
    for run_id in run_ids:
        shutil.rmtree(runs / run_id, ignore_errors=True)
        if (runs / run_id).exists():
            log.warning("the folder of a run cannot be removed wholly", folder=str(runs / run_id))


def remove_instances(root: Path, instances: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """Remove files; returns those that are gone. One at a time does this: whoever has Desk.folders."""
    aside = root / _ASIDE
    aside.mkdir(exist_ok=True)
    gone = []
    for file, written in instances:
        try:
            if _remove(root / "instances" / file, aside / Path(file).name, written):
                gone.append((file, written))
        except OSError as failure:
            log.warning("an instance cannot be removed", file=file, reason=failure.strerror)
    return gone


def _remove(path: Path, aside: Path, written: int) -> bool:
    """Remove the file that was written then; False where another one is there."""
    try:
        path.rename(aside)
    except FileNotFoundError:
        return True
    if aside.stat().st_mtime_ns == written:
        aside.unlink()
        return True
    _give_back(aside, path)
    return False


def _give_back(aside: Path, path: Path) -> None:
    try:
        path.hardlink_to(aside)
    except FileExistsError:
        log.warning("a file whose name was taken meanwhile is set aside", file=str(aside), name=path.name)
    else:
        aside.unlink()
