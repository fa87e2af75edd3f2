"""Storage commitment as SCP: what peers ask about is promised, checked, and reported (PS3.4 annex J).

Rules that this room keeps:
- a request is answered with success once the promise of a report is in the ledger, where a restart keeps it;
- what is held is looked at for each report anew, off the event loop, and never remembered. What left the
  storage folder for the object store is held as the ledger says;
- a report goes back on the association on which was asked while that stands, or on one of its own.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

import structlog
import trio

from port104.database.faults import DatabaseError
from port104.dispatch.desk import Desk
from port104.dispatch.reporting import Report, UnreportedError
from port104.errors import AssociationError
from port104.jobs.committing import CommitmentPolicy
from port104.jobs.ledger.commitments import Promise, Room
from port104.net.contracts import AskedCommitment, Back
from port104.registry.entries import Destination
from port104.storage.safekeeping import Safekeeping
from port104.storage.store import instance_path
from port104.wire.command import Status
from port104.wire.commitment import CommitmentReport, Failure
from port104.wire.status import words_of

log = structlog.get_logger("port104.commitment")

_LOOK_SECONDS = 5.0
_NO_ADDRESS = (
    "no destination has its AE title, so it cannot be called: port104 create dest makes one, or it must keep"
    " its association open"
)


HeardReport = Callable[[str, CommitmentReport], Awaitable[Status]]
"""Takes what a peer, by its AE title, reports of what we asked it for; returns the status that answers it."""


class Committer:
    """Answers for storage commitment; a net.contracts.Commitments. Let `run` run."""

    def __init__(
        self,
        desk: Desk,
        root: Path,
        destinations: Callable[[], Mapping[str, Destination]],
        report: Report,
        policy: CommitmentPolicy,
        jitter: Callable[[], float],
        heard: HeardReport,
    ) -> None:
        """`root`: the storage folder. `destinations`: by name, as they are now. `heard`: takes reports."""
        self._desk = desk
        self._safekeeping = Safekeeping(root)
        self._destinations = destinations
        self._report = report
        self._policy = policy
        self._jitter = jitter
        self._heard = heard
        self._backs: dict[tuple[str, str], Back] = {}
        self._checking = trio.CapacityLimiter(1)
        self._under_way = 0
        self._news = trio.Event()

    # ---- as net.contracts.Commitments ----

    async def requested(self, asked: AskedCommitment) -> Status:
        """As the contract says."""
        promise = Promise(asked.calling_ae_title, asked.called_ae_title, asked.address, asked.request)
        room = Room(self._policy.most, self._policy.of_one_peer)
        try:
            has_room = await self._desk.do(
                lambda ledger: ledger.commitments.promise(promise, room, self._policy.grace)
            )
        except DatabaseError:
            return Status.PROCESSING_FAILURE  # the desk has told of it
        if has_room:
            return Status.SUCCESS
        log.warning(
            "storage commitment refused",
            **_who(promise),
            reason="too many reports wait already",
            hint=_NO_ADDRESS,
        )
        return Status.RESOURCE_LIMITATION

    def may_report(self, asked: AskedCommitment, back: Back) -> None:
        """As the contract says."""
        self._backs[asked.calling_ae_title, asked.request.transaction_uid] = back
        self._news.set()

    async def reported(self, calling_ae_title: str, report: CommitmentReport) -> Status:
        """As the contract says: whoever asked hears of it."""
        return await self._heard(calling_ae_title, report)

    # ---- the promises ----

    async def run(self) -> None:
        """Keep promises, until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                self._news = trio.Event()
                try:
                    wait = await self._look(nursery)
                except DatabaseError:
                    wait = _LOOK_SECONDS
                with trio.move_on_after(wait):
                    await self._news.wait()

    async def _look(self, nursery: trio.Nursery) -> float:
        """Begin to keep what is due; returns in how many seconds there may be more."""
        free = self._policy.at_once - self._under_way
        if not free:
            return _LOOK_SECONDS
        due = await self._desk.do(lambda ledger: ledger.commitments.take(free, self._policy.lease))
        for promise in due:
            self._under_way += 1
            nursery.start_soon(self._keep, promise)
        if due:
            return 0.0
        wait = await self._desk.do(lambda ledger: ledger.commitments.seconds_until_due())
        return _LOOK_SECONDS if wait is None else min(wait, _LOOK_SECONDS)

    async def _keep(self, promise: Promise) -> None:
        try:
            why = await self._attempt(promise)
        except Exception:
            # A fault of ours in here must not end what receives.
            log.exception("a report of storage commitment broke off", **_who(promise))
            why = "a fault in port104: see its log"
        try:
            await (self._kept(promise) if why is None else self._failed(promise, why))
        finally:
            self._under_way -= 1
            self._news.set()

    async def _attempt(self, promise: Promise) -> str | None:
        """Check, and report; returns why that failed."""
        back = self._backs.pop((promise.calling_ae_title, promise.request.transaction_uid), None)
        report = await self._check(promise)
        if back is not None:
            try:
                return self._judge(promise, report, await back.report(report))
            except AssociationError as failure:
                log.debug("a report goes by an association of its own", reason=str(failure))
        peer = _peer_of(promise, self._destinations().values())
        if peer is None:
            return _NO_ADDRESS
        try:
            return self._judge(promise, report, await self._report(peer, promise.called_ae_title, report))
        except UnreportedError as failure:
            return str(failure)

    async def _check(self, promise: Promise) -> CommitmentReport:
        references = promise.request.references
        look = partial(self._safekeeping.failures, promise.called_ae_title, references)
        failed = await trio.to_thread.run_sync(look, limiter=self._checking)
        failed = await self._besides_released(promise.called_ae_title, failed)
        missing = {each.reference for each in failed}
        held = tuple(each for each in references if each not in missing)
        return CommitmentReport(promise.request.transaction_uid, held, tuple(failed))

    async def _besides_released(self, called_ae_title: str, failed: list[Failure]) -> list[Failure]:
        """Those of the failures that hold for what is in the object store alone too."""
        files = {
            each.reference.sop_instance_uid: _file_of(called_ae_title, each.reference.sop_instance_uid)
            for each in failed
            if each.reason == Status.NO_SUCH_SOP_INSTANCE
        }
        if not files:
            return failed
        classes = await self._desk.insist(lambda ledger: ledger.objects.classes_of([*files.values()]))
        still = []
        for each in failed:
            held = classes.get(files.get(each.reference.sop_instance_uid, ""))
            if held is None:
                still.append(each)
            elif held != each.reference.sop_class_uid:
                still.append(Failure(each.reference, Status.CLASS_INSTANCE_CONFLICT))
        return still

    def _judge(self, promise: Promise, report: CommitmentReport, status: int) -> str | None:
        """What was answered ends it, whatever it was: the peer has heard."""
        facts = {"held": len(report.held), "failed": len(report.failed)}
        if status != Status.SUCCESS:
            reason = f"the peer answered status {status:04X}: {words_of(status)}"
            log.warning("storage commitment reported", **_who(promise), **facts, reason=reason)
        elif report.failed:
            reasons = ", ".join(sorted({f"{each.reason:04X}" for each in report.failed}))
            log.warning("storage commitment reported", **_who(promise), **facts, reasons=reasons)
        else:
            log.info("storage commitment reported", **_who(promise), **facts)
        return None

    async def _kept(self, promise: Promise) -> None:
        await self._desk.insist(lambda ledger: ledger.commitments.kept(promise))

    async def _failed(self, promise: Promise, why: str) -> None:
        delay = self._policy.next_delay(promise.attempt, promise.waited, self._jitter())
        facts = {**_who(promise), "attempt": promise.attempt + 1, "reason": why}
        if delay is None:
            log.error("storage commitment was never reported", **facts, hint="the peer may ask again")
            await self._kept(promise)
            return
        # The first one, and those of a long wait.
        say = log.warning if promise.attempt in (0, 5) else log.debug
        say("storage commitment not reported yet", **facts, hint=f"tried again in {delay:.0f} s")
        await self._desk.insist(lambda ledger: ledger.commitments.postpone(promise, delay))


def _file_of(called_ae_title: str, sop_instance_uid: str) -> str:
    """Where an instance stands, or stood, below the folder of all instances."""
    path = instance_path(Path(), called_ae_title, sop_instance_uid)
    return f"{path.parent.name}/{path.name}"


def _who(promise: Promise) -> dict[str, str | int]:
    return {
        "calling": promise.calling_ae_title,
        "called": promise.called_ae_title,
        "transaction": promise.request.transaction_uid,
    }


def _peer_of(promise: Promise, destinations: Iterable[Destination]) -> Destination | None:
    """Where the peer can be called; of several, where it called from."""
    named = [each for each in destinations if each.ae_title == promise.calling_ae_title]
    return next((each for each in named if each.host == promise.address), named[0] if named else None)
