"""Runs are begun in turn, carried out by their backends, and their ends written down.

Rules that this room keeps:
- what is under way is in the ledger before it begins, so that a start after a kill finds and finishes it;
- an end that cannot be written yet is written later: until then the run is under way;
- nothing is carried out that another engine has taken meanwhile (jobs/ledger/nodes.py), nor on a word that
  is older than others wait for: an engine that was frozen asks again;
- a run whose payload is not whole yet waits, and has used up no attempt;
- a run that failed is tried again, alone; those that succeeded beside it are not.
"""

import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog
import trio

from port104.database.faults import DatabaseError
from port104.dispatch.backends.backend import Backend, Ending
from port104.dispatch.desk import FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS, Desk
from port104.dispatch.node import is_folder_of
from port104.dispatch.payload import IncompleteError, build
from port104.dispatch.results import FaultyResultsError, collect
from port104.errors import StorageError
from port104.jobs.ledger.ledger import Ledger
from port104.jobs.ledger.members import Member
from port104.jobs.ledger.messages import Message
from port104.jobs.ledger.results import Result
from port104.jobs.ledger.runs import Run
from port104.registry.entries import Pipeline

log = structlog.get_logger("port104.jobs")

# What other engines made, and what somebody wants to cancel there, is looked for so often.
LOOK_SECONDS = 5.0


MakePayload = Callable[[Run, Sequence[Member], Pipeline], Awaitable[Path]]
"""Makes the folder of an attempt of a pipeline, or raises as payload.build does."""


def since_boot() -> float:
    """Seconds; those in which the machine slept count."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class HasPipelines(Protocol):
    """Knows what pipelines there are now; registry.Registry is one."""

    @property
    def pipelines(self) -> Mapping[str, Pipeline]:
        """By ID."""
        ...

    def pipeline(self, id_or_name: str) -> Pipeline | None:
        """One of them; None: there is none."""
        ...


class Announcer(Protocol):
    """Tells others of runs; events.announcing.Announcer does."""

    def message_of(self, run: Run, folder: Path) -> Message:
        """What is told of a run whose payload is whole, in `folder`. Blocks on the disk."""
        ...

    def look(self) -> None:
        """Hear that there may be a message to send. Never waits."""
        ...


class Dispatcher:
    """Begins runs, and sees them through. Call `look` when there may be something to do."""

    def __init__(
        self,
        desk: Desk,
        node: str,
        root: Path,
        registry: Callable[[], HasPipelines],
        backend_of: Callable[[Pipeline], Backend],
        destinations_of: Callable[[Run, Pipeline], Sequence[str]],
        *,
        results_left: Callable[[], None],
        announcer: Announcer | None = None,
        payload_of: MakePayload | None = None,
        patience: float | None = None,
    ) -> None:
        """`root`, `node`: the storage folder and its name. `destinations_of`: where results of a run go.

        `results_left`: is told that there may be some. `announcer`: tells others of runs; None: nobody does.
        `payload_of`: makes payloads; None: of the storage folders that are there.
        `patience`: seconds after which other engines may take our runs; None: never.
        """
        self._desk = desk
        self._node = node
        self._root = root
        self._registry = registry
        self._backend_of = backend_of
        self._destinations_of = destinations_of
        self._results_left = results_left
        self._announcer = announcer
        self._payload_of = payload_of or self._of_folders
        self._patience = math.inf if patience is None else patience
        self._news = trio.Event()
        self._under_way: dict[str, trio.Event] = {}

    def look(self) -> None:
        """Hear that there may be a run to begin. Never waits."""
        self._news.set()

    async def cancel(self, run_id: str) -> str | None:
        """Cancel a run that has not ended; returns its state before, None where there is no such run.

        Raises DatabaseError.
        """
        before = await self._desk.do(lambda ledger: ledger.cancel(run_id))
        if run_id in self._under_way:
            self._under_way[run_id].set()
        return before

    async def rerun(self, run_id: str) -> str | None:
        """Let a run that has ended run again; returns as `cancel` does. Raises DatabaseError."""
        before = await self._desk.do(lambda ledger: ledger.rerun(run_id))
        self.look()
        return before

    async def run(self) -> None:
        """Begin and see through, until cancelled; what is under way then goes on with the next start."""
        async with trio.open_nursery() as nursery:
            for left in await self._desk.insist(lambda ledger: ledger.under_way()):
                self._start(left, nursery)
            retry = FIRST_RETRY_SECONDS
            while True:
                self._news = trio.Event()
                try:
                    wait = await self._begin_all(nursery)
                    retry = FIRST_RETRY_SECONDS
                except DatabaseError:
                    wait, retry = retry, min(2 * retry, LAST_RETRY_SECONDS)
                with trio.move_on_after(wait):
                    await self._news.wait()

    async def _begin_all(self, nursery: trio.Nursery) -> float:
        """Begin what may begin; returns how long to wait until there may be more. Raises DatabaseError."""
        for run_id in await self._desk.do(lambda ledger: ledger.to_be_cancelled()):
            if run_id in self._under_way:
                self._under_way[run_id].set()
        # By name too: a run was planned before its pipeline was made.
        there = self._registry().pipelines.values()
        limits = {key: each.concurrency for each in there for key in (each.name, each.id)}
        seen = await self._seen()
        while (begun := await self._desk.do(lambda ledger: ledger.begin(limits, seen))) is not None:
            self._start(begun, nursery)
        due = await self._desk.do(lambda ledger: ledger.seconds_until_run())
        return min(LOOK_SECONDS, due or LOOK_SECONDS)

    async def _seen(self) -> list[str]:
        """The storage folders of other engines that we see."""
        others = await self._desk.do(Ledger.others)
        return await trio.to_thread.run_sync(_seen_of, others) if others else []

    def _start(self, run: Run, nursery: trio.Nursery) -> None:
        self._under_way[run.id] = cancel = trio.Event()
        nursery.start_soon(self._see_through, run, cancel)

    async def _see_through(self, run: Run, cancel: trio.Event) -> None:
        facts = {"run": run.id, "name": run.name, "pipeline": run.pipeline, "attempt": run.attempt}
        log.info("run begun", job=run.job_id, called=run.called_ae_title, **facts)
        began = trio.current_time()
        pipeline = self._registry().pipeline(run.pipeline_id)
        try:
            try:
                carried_out = await self._carry_out(run, pipeline, cancel)
            except IncompleteError as waits:
                await self._desk.insist(partial(Ledger.put_back, run=run, why=str(waits)))
                log.info("run put back", reason=str(waits), **facts)
                return
            if carried_out is None:
                log.warning("run was taken over by another engine", **facts)
                return
            ending, results = carried_out
            attempts = 1 + (pipeline.retries if pipeline is not None else 0)
            written = partial(_write_down, run=run, ending=ending, results=results, attempts=attempts)
            counts, again = await self._desk.insist(written)
        finally:
            if self._under_way.get(run.id) is cancel:  # else it was taken over, and has come back
                del self._under_way[run.id]
        self.look()
        self._results_left()
        facts["seconds"] = round(trio.current_time() - began, 1)
        if not counts:
            hint = "another engine had taken it over: this one was not heard of for jobs.takeOverAfterSeconds"
            log.warning("run ended too late", outcome=ending.outcome, hint=hint, **facts)
        elif ending.outcome == "failed":
            hint = "no further attempt" if again is None else f"tried again in {again:.0f} s"
            log.warning("run failed", reason=ending.why, hint=hint, **facts)
        else:
            log.info("run ended", outcome=ending.outcome, results=len(results), **facts)

    async def _carry_out(
        self, run: Run, pipeline: Pipeline | None, cancel: trio.Event
    ) -> tuple[Ending, Sequence[Result]] | None:
        """Make one attempt, and look at what it left; whatever goes wrong is its ending.

        None: the run is not ours any more, and nothing was done. Raises IncompleteError where it must wait.
        """
        if pipeline is None:
            return _failed(
                f"there is no pipeline {run.pipeline_id!r} any more: create it with that ID, then rerun",
            )
        try:
            members = await self._desk.insist(lambda ledger: ledger.members_of(run))
            async with self._desk.folders:
                pass  # whoever found it done with, before it was begun again, has removed what there was
            folder = await self._payload_of(run, members, pipeline)
            # The last that is done before: what is written down for it is held against our silence later.
            if not await self._confirm(run, pipeline, folder):
                return None
            ending = await self._backend_of(pipeline).run(run, pipeline, folder, cancel)
            if ending.outcome != "succeeded":
                return ending, ()
            destinations = self._destinations_of(run, pipeline)
            return ending, await trio.to_thread.run_sync(collect, self._root, folder, destinations)
        except (StorageError, FaultyResultsError) as fault:
            return _failed(str(fault))
        except OSError as failure:
            log.exception("run broke off", run=run.id)
            return _failed(f"{failure.strerror or failure}: see the log of port104")

    async def _confirm(self, run: Run, pipeline: Pipeline, folder: Path) -> bool:
        """See that the run is ours now, and tell others of it in the same transaction."""
        while True:
            asked = since_boot()
            confirmed = await self._confirm_once(run, pipeline, folder)
            if not confirmed or since_boot() - asked < self._patience:
                return confirmed

    async def _confirm_once(self, run: Run, pipeline: Pipeline, folder: Path) -> bool:
        told = None
        if self._announcer is not None:
            told = await trio.to_thread.run_sync(self._announcer.message_of, run, folder)
        confirm = partial(Ledger.confirm, run=run, time_limit=pipeline.time_limit, announcement=told)
        confirmed = await self._desk.insist(confirm)
        if self._announcer is not None:
            self._announcer.look()
        return confirmed

    async def _of_folders(self, run: Run, members: Sequence[Member], _: Pipeline) -> Path:
        return await trio.to_thread.run_sync(build, self._root, self._node, run, members)


def _seen_of(others: Sequence[tuple[str, str]]) -> list[str]:
    return [node for node, root in others if is_folder_of(Path(root), node)]


def _failed(why: str) -> tuple[Ending, Sequence[Result]]:
    return Ending("failed", why), ()


def _write_down(
    ledger: Ledger, run: Run, ending: Ending, results: Sequence[Result], attempts: int
) -> tuple[bool, float | None]:
    """Write an ending down.

    Returns whether it counts, which it does not where another engine has the run by now; and in how many
    seconds there is another attempt, or None.
    """
    if ending.outcome == "failed":
        return ledger.fail(run, ending.why, attempts)
    return ledger.end(run, ending.outcome, ending.why, results), None
