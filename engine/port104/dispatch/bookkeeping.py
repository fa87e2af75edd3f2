"""The ledger beside the event loop: told of every stored instance, it closes groups in time.

Rules that this room keeps:
- the database is touched in worker threads only, by one at a time, and no association waits for it;
- instances are told in batches: what comes while one is written is the next. Writing takes a fifth of the
  time at most until many wait: a burst is received first, and written when it is over;
- what cannot be written yet is kept and told again. It may be told twice; the ledger writes it once;
- memory is bounded: where the database is away for long, instances are forgotten here and found again in
  their files (recounting.py). None is lost by it, only from which address it came;
- no group is closed before the files were looked through: after a kill the ledger lacks what came last.
"""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import structlog
import trio

from port104.database.faults import DatabaseError
from port104.dispatch.desk import Desk
from port104.dispatch.origin import Describer, RuleOf, Told
from port104.dispatch.recounting import recount, shelves
from port104.jobs.ledger.arrivals import Arrival
from port104.jobs.ledger.closing import ClosedGroup
from port104.jobs.ledger.ledger import Ledger, PlanOf
from port104.net.contracts import AssociationEnd, AssociationStart
from port104.storage.store import StoredInstance

log = structlog.get_logger("port104.dispatch")

# Instances that wait to be written, some 1 KB each.
_MOST_WAITING = 50_000
# Of one transaction, so that closing groups never waits for long.
_BATCH = 1_000
# A batch is let grow for so long: one of ten costs a tenth of ten batches.
PAUSE_SECONDS = 0.05
# After a batch, as many times as long as it took.
_REST = 4
# After it is due a group is closed, so that no rounding makes it too early.
_LATE_SECONDS = 0.01
# Groups of engines that are gone are looked for so often.
LOOK_SECONDS = 15.0

_REASONS = {
    "idle": "nothing came for its timeout",
    "complete": "all that were announced are there",
    "age": "it had reached its maximum age",
}


class Bookkeeper:
    """Give `stored` every stored instance, let it witness associations, and run `run` beside."""

    def __init__(
        self,
        desk: Desk,
        root: Path,
        rule_of: RuleOf,
        *,
        plan_of: PlanOf,
        replaces: Callable[[str], bool],
        job_made: Callable[[], None],
        clock: Callable[[], float] = time.time,
        most_waiting: int = _MOST_WAITING,
    ) -> None:
        """`root`: the storage folder. `replaces`: whether an AE title lets instances take others' places.

        `job_made`: is told that there may be a new job.
        """
        self._desk = desk
        self._plan_of = plan_of
        self._job_made = job_made
        self._root = root
        self._rule_of = rule_of
        self._replaces = replaces
        self._clock = clock
        self._callers: dict[int, tuple[str, str]] = {}
        self._waiting: deque[Told] = deque()
        self._most_waiting = most_waiting
        self._news = trio.Event()
        self._to_be_counted = trio.Event()

    # ---- on the event loop ----

    def established(self, start: AssociationStart) -> None:
        """Remember who calls. As a net.contracts.Witness."""
        self._callers[start.association] = (start.request.calling_ae_title, start.address)

    def ended(self, end: AssociationEnd) -> None:
        """Forget it. As a net.contracts.Witness."""
        if end.association is not None:
            self._callers.pop(end.association, None)

    def stored(self, instance: StoredInstance) -> None:
        """Write this instance down soon. Never waits."""
        if len(self._waiting) >= self._most_waiting:
            self._to_be_counted.set()
            return
        calling, address = self._callers.get(instance.association, ("", ""))
        self._waiting.append(Told(instance, self._clock(), calling, address))
        self._news.set()

    @property
    def waiting(self) -> int:
        """How many instances wait to be written."""
        return len(self._waiting)

    # ---- beside it ----

    async def run(self) -> None:
        """Write and close until cancelled; what waits then is found in the files at the next start."""
        async with trio.open_nursery() as nursery:
            found = await self._count()
            log.info("stored files held against the ledger", unknown=found)
            nursery.start_soon(self._count_again)
            await self._keep()

    async def finish(self) -> None:
        """Write what waits, for a stop; what cannot be written now is found at the next start."""
        with contextlib.suppress(DatabaseError):
            while self._waiting:
                await self._desk.do(self._write_batch)

    async def _keep(self) -> None:
        while True:
            self._news = trio.Event()
            await self._write_all()
            for group, job in await self._desk.insist(lambda ledger: ledger.close_due(self._plan_of)):
                _report(group, job)
                self._job_made()
            due = await self._desk.insist(lambda ledger: ledger.seconds_until_due())
            with trio.move_on_after(LOOK_SECONDS if due is None else min(LOOK_SECONDS, due + _LATE_SECONDS)):
                await self._news.wait()
                await trio.sleep(PAUSE_SECONDS)

    async def _write_all(self) -> None:
        while self._waiting:
            began = trio.current_time()
            if await self._desk.insist(self._write_batch):
                self._to_be_counted.set()
            if len(self._waiting) < self._most_waiting // 2:
                await trio.sleep(_REST * (trio.current_time() - began))

    async def _count_again(self) -> None:
        while True:
            await self._to_be_counted.wait()
            await trio.sleep(LOOK_SECONDS)
            self._to_be_counted = trio.Event()  # first: what is forgotten from here on asks for another count
            found = await self._count()
            log.info("stored files held against the ledger again", unknown=found)

    async def _count(self) -> int:
        """Hold the files against the ledger, a shelf at a time, so that others get their turn in between.

        Returns how many instances were found that it did not know.
        """
        found = unreadable = 0
        try:
            for shelf in await trio.to_thread.run_sync(shelves, self._root):
                work = partial(recount, shelf, rule_of=self._rule_of, replaces=self._replaces)
                counted = await self._desk.do(work)
                found, unreadable = found + counted.found, unreadable + counted.unreadable
        except DatabaseError:
            self._to_be_counted.set()
        except OSError as failure:
            log.warning(
                "stored files cannot be held against the ledger; tried again",
                folder=str(failure.filename or self._root),
                reason=failure.strerror,
            )
            self._to_be_counted.set()
        if unreadable:
            log.warning("stored files cannot be read, and are in no group; tried again", files=unreadable)
            self._to_be_counted.set()
        return found

    def _write_batch(self, ledger: Ledger) -> int:
        """Write some of what waits; returns how many files could not be read. In a worker thread."""
        batch = [self._waiting[index] for index in range(min(_BATCH, len(self._waiting)))]
        arrivals, unreadable = _described(batch, Describer(self._rule_of))
        ledger.record(arrivals)
        for _ in batch:
            self._waiting.popleft()
        return unreadable


def _described(batch: Sequence[Told], describer: Describer) -> tuple[list[Arrival], int]:
    """What can be described, and how many files cannot be read now: they are counted later."""
    arrivals, unreadable = [], 0
    for told in batch:
        try:
            arrival = describer.arrival_of(told)
        except OSError:
            unreadable += 1
        else:
            arrivals += [] if arrival is None else [arrival]
    return arrivals, unreadable


def _report(group: ClosedGroup, job: str | None) -> None:
    log.info(
        "group closed",
        group=group.id,
        job=job,
        called=group.called_ae_title,
        instances=group.instances,
        reason=_REASONS[group.reason],
        seconds=round(group.last - group.opened, 1),
    )
