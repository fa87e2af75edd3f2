"""The ledger beside the event loop: told of every stored instance, it closes groups in time.

Rules that this room keeps:
- the database is touched in worker threads only, by one at a time, and no association waits for it;
- instances are told in batches: what comes while one is written is the next. While more come, writing takes
  a fiftieth of a core until many wait: a burst is received first, and written when it is over;
- what cannot be written yet is kept and told again. It may be told twice; the ledger writes it once;
- memory is bounded: where the database is away for long, instances are forgotten here and found again in
  their files (recounting.py). None is lost by it, only from which address it came;
- no group is closed before the files were looked through: after a kill the ledger lacks what came last. Nor
  while something of it may wait: groups are closed that were due when what is written now was told.
"""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import structlog
import trio

from port104.database.faults import DatabaseError
from port104.dispatch.desk import Desk
from port104.dispatch.origin import Caller, Describer, RuleOf, Told
from port104.dispatch.recounting import recount, shelves
from port104.jobs.ledger.arrivals import Arrival
from port104.jobs.ledger.closing import ClosedGroup
from port104.jobs.ledger.ledger import Ledger, PlanOf
from port104.net.contracts import AssociationEnd, AssociationStart
from port104.storage.stored import StoredInstance

log = structlog.get_logger("port104.dispatch")

# Instances that wait to be written, some 300 bytes each.
_MOST_WAITING = 150_000
# Of one transaction, so that closing groups never waits for long.
_BATCH = 1_000
# A batch is let grow for so long: one of ten costs a tenth of ten batches.
PAUSE_SECONDS = 0.05
# After a batch, where others came meanwhile: as many times as long as it kept a core busy, and as it took.
_REST_FROM_WORK, _REST_FROM_WAITING = 49, 4
# After it is due a group is closed, so that no rounding makes it too early.
_LATE_SECONDS = 0.01
# Groups of engines that are gone are looked for so often.
LOOK_SECONDS = 15.0

_REASONS = {
    "idle": "nothing came for its timeout",
    "complete": "all that were announced are there",
    "age": "it had reached its maximum age",
}


class _Ended(NamedTuple):
    """An association ended, behind what it brought."""

    association: int


class _Batch(NamedTuple):
    """What was written together: how many entries of what waited, and the instances in them.

    `unreadable`: how many of their files cannot be read. `work`: seconds of a core's time.
    """

    entries: int
    instances: int
    unreadable: int
    work: float


class Bookkeeper:
    """Give `stored` all stored instances, let it witness associations, and run `run` beside."""

    def __init__(
        self,
        desk: Desk,
        root: Path,
        rule_of: RuleOf,
        *,
        plan_of: PlanOf,
        replaces: Callable[[str], bool],
        job_made: Callable[[], None],
        recorded: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.time,
        most_waiting: int = _MOST_WAITING,
    ) -> None:
        """`root`: the storage folder. `replaces`: whether an AE title lets instances take others' places.

        `job_made`: is told that there may be a new job; `recorded`: that instances were written down.
        """
        self._desk = desk
        self._plan_of = plan_of
        self._job_made = job_made
        self._recorded = recorded
        self._root = root
        self._rule_of = rule_of
        self._replaces = replaces
        self._clock = clock
        self._callers: dict[int, Caller] = {}
        self._waiting: deque[Told | _Ended] = deque()
        self._count_waiting = 0
        self._most_waiting = most_waiting
        self._news = trio.Event()
        self._to_be_counted = trio.Event()
        self.counted = trio.Event()
        """Set once the files were held against the ledger: it knows then when each of them was written."""

    # ---- on the event loop ----

    def established(self, start: AssociationStart) -> None:
        """Remember who calls. As a net.contracts.Witness."""
        self._callers[start.association] = Caller(start.request.calling_ae_title, start.address)

    def ended(self, end: AssociationEnd) -> None:
        """Forget it, once all that it brought is written. As a net.contracts.Witness."""
        if end.association is None:
            return
        self._waiting.append(_Ended(end.association))
        self._forget_ended()

    def stored(self, instances: Collection[StoredInstance]) -> None:
        """Write these instances down soon. Never waits, nor looks at them."""
        if self._count_waiting >= self._most_waiting:
            self._to_be_counted.set()
            return
        self._waiting.append(Told(instances, self._clock()))
        self._count_waiting += len(instances)
        self._news.set()

    def look(self) -> None:
        """Hear that a group may be due that was not before. Never waits."""
        self._news.set()

    @property
    def waiting(self) -> int:
        """How many instances wait to be written."""
        return self._count_waiting

    @property
    def is_counting(self) -> bool:
        """Whether there may be stored files that the ledger does not know and nobody waits to write."""
        return not self.counted.is_set() or self._to_be_counted.is_set()

    # ---- beside it ----

    async def run(self) -> None:
        """Write and close until cancelled; what waits then is found in the files at the next start."""
        async with trio.open_nursery() as nursery:
            found = await self._count()
            log.info("stored files held against the ledger", unknown=found)
            self.counted.set()
            nursery.start_soon(self._count_again)
            await self._keep()

    async def finish(self) -> None:
        """Write what waits, for a stop; what cannot be written now is found at the next start."""
        with contextlib.suppress(DatabaseError):
            while self._count_waiting:
                self._forget(await self._desk.do(self._write_batch))

    async def _keep(self) -> None:
        while True:
            self._news = trio.Event()
            now = await self._write_all()
            close = partial(Ledger.close_due, plan_of=self._plan_of, now=now)
            for group, job in await self._desk.insist(close):
                _report(group, job)
                self._job_made()
            due = await self._desk.insist(lambda ledger: ledger.seconds_until_due())
            with trio.move_on_after(LOOK_SECONDS if due is None else min(LOOK_SECONDS, due + _LATE_SECONDS)):
                await self._news.wait()
                await trio.sleep(PAUSE_SECONDS)

    async def _write_all(self) -> float:
        """Write what waits now; returns the time of it, by the ledger's clock."""
        now = await self._desk.insist(Ledger.now)
        left = self._count_waiting
        while left > 0:
            began, waiting = trio.current_time(), self._count_waiting
            batch = await self._desk.insist(self._write_batch)
            if self._recorded is not None:
                self._recorded()
            took = trio.current_time() - began
            left -= batch.instances
            others_came = self._count_waiting > waiting
            self._forget(batch)
            if others_came and self._count_waiting < self._most_waiting // 2:
                await trio.sleep(max(_REST_FROM_WORK * batch.work, _REST_FROM_WAITING * took))
        return now

    def _forget(self, batch: "_Batch") -> None:
        """What stands in the ledger need not be kept here."""
        for _ in range(batch.entries):
            self._waiting.popleft()
            self._forget_ended()
        self._count_waiting -= batch.instances
        if batch.unreadable:
            self._to_be_counted.set()

    def _forget_ended(self) -> None:
        """Forget who called on associations that ended, and of whose instances none waits."""
        while self._waiting and isinstance(entry := self._waiting[0], _Ended):
            self._waiting.popleft()
            self._callers.pop(entry.association, None)

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

    def _write_batch(self, ledger: Ledger) -> "_Batch":
        """Write some of what waits. In a worker thread."""
        began = time.thread_time()
        entries = instances = unreadable = 0
        arrivals: list[Arrival] = []
        describer = Describer(self._rule_of, self._callers)
        for told in self._first_of_waiting():
            entries += 1
            instances += len(told.instances)
            unreadable += _describe(told, describer, arrivals)
        ledger.record(arrivals)
        return _Batch(entries, instances, unreadable, time.thread_time() - began)

    def _first_of_waiting(self) -> Iterator[Told]:
        """As much of what waits as is written together."""
        instances = 0
        for index in range(len(self._waiting)):
            entry = self._waiting[index]
            if isinstance(entry, Told):
                yield entry
                instances += len(entry.instances)
            if instances >= _BATCH:
                break


def _describe(told: Told, describer: Describer, arrivals: list[Arrival]) -> int:
    """Add what can be described; returns how many files cannot be read now: they are counted later."""
    unreadable = 0
    for instance in told.instances:
        try:
            arrival = describer.arrival_of(instance, told.received)
        except OSError:
            unreadable += 1
        else:
            if arrival is not None:
                arrivals.append(arrival)
    return unreadable


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
