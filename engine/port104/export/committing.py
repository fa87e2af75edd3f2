"""Destinations are asked whether they hold what they were sent, and what they answer is written down.

Rules that this room keeps:
- a result that its destination is to commit to is delivered by nothing but its report (PS3.4 annex J);
- what is asked is in the ledger before: a report may come over another association, and after a restart;
- a Transaction UID is made of 122 random bits: who names one has been asked.
"""

import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import structlog
import trio

from port104.database.faults import DatabaseError
from port104.export.contracts import Desk, UnreachableError
from port104.export.policy import ExportPolicy, backed_off
from port104.jobs.ledger.transactions import Terms
from port104.registry.entries import Destination
from port104.wire.command import Status
from port104.wire.commitment import CommitmentReport, CommitmentRequest

log = structlog.get_logger("port104.commitment")

_LOOK_SECONDS = 5.0
# Instances of one transaction: a large one is a large loss where the destination forgets it.
_MOST_AT_ONCE = 1_000

Hear = Callable[[CommitmentReport], Awaitable[Status]]
"""Takes a report; returns the status that answers it."""


class Ask(Protocol):
    """Asks a destination; export.DimseCaller has one."""

    async def __call__(self, destination: Destination, request: CommitmentRequest, hear: Hear) -> None:
        """Ask by N-ACTION, and hear the report if it comes soon on the same association.

        Raises UnreachableError, also where the destination refuses to answer; the text says why.
        """
        ...


class Asker:
    """Asks destinations with `storageCommitment`. Let `run` run. `resend`: hears of what is sent again."""

    def __init__(
        self,
        desk: Desk,
        destinations: Callable[[], Mapping[str, Destination]],
        ask: Ask,
        policy: ExportPolicy,
        jitter: Callable[[], float],
        resend: Callable[[], None],
    ) -> None:
        self._desk = desk
        self._destinations = destinations
        self._ask = ask
        self._policy = policy
        self._jitter = jitter
        self._resend = resend
        self._terms = Terms(policy.attempts, policy.first_delay, policy.failure_threshold)
        self._under_way: set[str] = set()
        self._failures: dict[str, int] = {}

    async def reported(self, calling_ae_title: str, report: CommitmentReport) -> Status:
        """Take a report, on whatever association it came; returns the status that answers it."""
        try:
            known = await self._desk.do(
                lambda ledger: ledger.outbox.transactions.reported(report, self._terms)
            )
        except DatabaseError:
            return Status.PROCESSING_FAILURE  # the desk has told of it; it is asked again
        facts = {"calling": calling_ae_title, "transaction": report.transaction_uid}
        if not known:
            log.warning("report of a storage commitment that nobody asked for", **facts)
            return Status.INVALID_ARGUMENT_VALUE
        counts = {"held": len(report.held), "failed": len(report.failed)}
        say = log.warning if report.failed else log.info
        say("results committed to", **facts, **counts)
        self._resend()
        return Status.SUCCESS

    async def run(self) -> None:
        """Ask until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                try:
                    due = await self._desk.do(lambda ledger: ledger.outbox.transactions.due())
                except DatabaseError:
                    due = []  # the desk has told of it
                for name in due:
                    if name not in self._under_way:
                        self._under_way.add(name)
                        nursery.start_soon(self._turn, name)
                await trio.sleep(_LOOK_SECONDS)

    async def _turn(self, name: str) -> None:
        try:
            await self._see_to(name)
        except DatabaseError:
            pass  # the desk has told of it
        except Exception:
            # A fault of ours in here must not end what receives.
            log.exception("asking for storage commitment broke off", destination=name)
        finally:
            self._under_way.discard(name)

    async def _see_to(self, name: str) -> None:
        destination = self._destinations().get(name)
        if destination is None:
            return  # it is asked once there is one: its results cannot be sent either, which is told there
        if not destination.storage_commitment:
            await self._desk.do(lambda ledger: ledger.outbox.transactions.needless(name, self._terms))
            return
        uid = f"2.25.{uuid.uuid4().int}"
        request = await self._desk.do(
            lambda ledger: ledger.outbox.transactions.begin(
                name, uid, self._terms, most=_MOST_AT_ONCE, seconds=self._policy.commitment_timeout
            )
        )
        if request is None:
            return
        try:
            await self._ask(destination, request, self._hear_of(destination))
            self._failures.pop(name, None)
        except UnreachableError as failure:
            await self._unasked(name, uid, str(failure))

    def _hear_of(self, destination: Destination) -> Hear:
        async def hear(report: CommitmentReport) -> Status:
            return await self.reported(destination.ae_title, report)

        return hear

    async def _unasked(self, name: str, uid: str, why: str) -> None:
        times = self._failures[name] = self._failures.get(name, 0) + 1
        delay = backed_off(self._policy.first_delay, self._policy.longest_pause, times, self._jitter())
        if times == 1:
            hint = f"what it was sent stays undelivered; it is asked again in {delay:.0f} s"
            log.warning("destination cannot be asked what it holds", destination=name, reason=why, hint=hint)
        await self._desk.insist(lambda ledger: ledger.outbox.transactions.unasked(uid, why, delay))
