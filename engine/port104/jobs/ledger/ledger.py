"""The ledger of one engine: each call is one transaction, or a few."""

from collections.abc import Callable, Mapping, Sequence

from port104.database.session import Database, Session
from port104.jobs.grouping import GroupingRule
from port104.jobs.ledger import draining, nodes, reaching, retention, runs
from port104.jobs.ledger.announcing import OpenGroup, announce, open_groups
from port104.jobs.ledger.arrivals import Arrival, known_of, record, written_before
from port104.jobs.ledger.closing import ClosedGroup, close_due, next_due
from port104.jobs.ledger.commitments import Commitments
from port104.jobs.ledger.members import Member, members_of
from port104.jobs.ledger.messages import Message, Messages, put
from port104.jobs.ledger.moving import Moving
from port104.jobs.ledger.nodes import TakenRun
from port104.jobs.ledger.objects import Objects, forget, want
from port104.jobs.ledger.outbox import Outbox
from port104.jobs.ledger.requests import Requests
from port104.jobs.ledger.results import Result, register
from port104.jobs.ledger.runs import Run
from port104.jobs.planning import Outcome, Plan, next_attempt

PlanOf = Callable[[str, float], Plan]
"""Called AE title, Unix time -> what a group that is closed then is worth."""


class Ledger:
    """What came, what it belongs to, and what came of it.

    Used by one thread at a time; every call may wait for a disk or a network, and raises DatabaseError, whose
    text says what to do. `node`: whose storage folder the files are in that this engine tells of.
    """

    def __init__(self, database: Database, node: str) -> None:
        self._database = database
        self.node = node
        self.outbox = Outbox(database, node)
        """Its results on their way to destinations."""
        self.commitments = Commitments(database, node)
        """The reports that it owes to peers."""
        self.messages = Messages(database, node)
        """What it tells a broker."""
        self.objects = Objects(database, node)
        """Its instances in the object store."""
        self.moving = Moving(database, node)
        """What becomes of them where that is another one than before."""
        self.has_object_store = False
        """Whether what comes is to be put there."""
        self.requests = Requests(database, node)
        """What a broker asks it to export."""

    def record(self, arrivals: Sequence[Arrival]) -> int:
        """Write down what came; returns how many of the arrivals were not known before."""
        if not arrivals:
            return 0
        with self._database.changing() as session:
            if self.has_object_store:
                want(session, self.node, arrivals)
            return record(session, self.node, arrivals, session.now())

    def close_due(self, *, plan_of: PlanOf, now: float) -> list[tuple[ClosedGroup, str | None]]:
        """Close the groups that nothing more was waited for at `now`, and make their jobs.

        Returns both (job's ID).
        """
        jobs: dict[str, str | None] = {}

        def make(session: Session, group: ClosedGroup) -> None:
            jobs[group.id] = runs.make_job(session, group, plan_of(group.called_ae_title, now), now)

        return [(group, jobs[group.id]) for group in close_due(self._database, now, make)]

    def seconds_until_due(self) -> float | None:
        """How long until there is something to close, if nothing more comes; None: there is nothing."""
        return self._seconds_until(next_due)

    def open_groups(self) -> list[OpenGroup]:
        """As announcing.open_groups."""
        with self._database.reading() as session:
            return open_groups(session)

    def announce(self, group_id: str, rule: GroupingRule, number: int) -> bool:
        """As announcing.announce."""
        with self._database.changing() as session:
            return announce(session, group_id, rule, number)

    # ---- runs ----

    def begin(self, limits: Mapping[str, int], seen: Sequence[str] = ()) -> Run | None:
        """Begin the run that is first in turn; None: there is none. As runs.begin."""
        with self._database.changing() as session:
            return runs.begin(session, self.node, limits, session.now(), seen)

    def others(self) -> list[tuple[str, str]]:
        """As reaching.others."""
        with self._database.reading() as session:
            return reaching.others(session, self.node)

    def seconds_until_run(self) -> float | None:
        """How long until a waiting run is due; None: none waits."""
        return self._seconds_until(runs.next_due)

    def under_way(self) -> list[Run]:
        """The runs that were begun here and have not ended."""
        with self._database.reading() as session:
            return runs.under_way(session, self.node)

    def members_of(self, run: Run) -> list[Member]:
        """The instances that a run works on."""
        with self._database.reading() as session:
            return members_of(session, run.group_id)

    def end(self, run: Run, outcome: Outcome, why: str, results: Sequence[Result] = ()) -> bool:
        """Write down how a run ended for good, and what it left; False: it is not this attempt any more."""
        with self._database.changing() as session:
            now = session.now()
            ended = runs.end(session, run, outcome, why, now)
            if ended:
                register(session, self.node, run.id, results, now)
            return ended

    def register_results(self, run_id: str, results: Sequence[Result]) -> None:
        """Write down what somebody says a run left; its folder is there, whatever became of it before."""
        with self._database.changing() as session:
            register(session, self.node, run_id, results, session.now())
            session.run("UPDATE port104_run SET cleaned = 0 WHERE id = ?", run_id)

    def fail(self, run: Run, why: str, attempts: int) -> tuple[bool, float | None]:
        """Write down that an attempt failed; False: it is not this attempt any more, as `end` says.

        And in how many seconds there is another one, or None. `attempts`: how many there may be.
        """
        with self._database.changing() as session:
            now = session.now()
            due = next_attempt(run.tries, attempts, run.retry_delay, now)
            if due is None:
                return runs.end(session, run, "failed", why, now), None
            return runs.postpone(session, run, why, due, now), due - now

    def put_back(self, run: Run, why: str) -> bool:
        """As runs.put_back."""
        with self._database.changing() as session:
            return runs.put_back(session, self.node, run, why, session.now())

    def cancel(self, run_id: str) -> str | None:
        """As runs.cancel."""
        with self._database.changing() as session:
            return runs.cancel(session, run_id, session.now())

    def to_be_cancelled(self) -> list[str]:
        """IDs of the runs under way here that somebody wants to end."""
        with self._database.reading() as session:
            return runs.to_be_cancelled(session, self.node)

    def rerun(self, run_id: str) -> str | None:
        """As runs.rerun."""
        with self._database.changing() as session:
            return runs.rerun(session, run_id, session.now())

    # ---- this engine among others ----

    def hear(self) -> None:
        """Write down that this engine lives."""
        with self._database.changing() as session:
            nodes.hear(session, self.node, session.now())

    def confirm(self, run: Run, time_limit: float, announcement: Message | None = None) -> bool:
        """As nodes.confirm; and where it is, write down what others are told of the run."""
        with self._database.changing() as session:
            now = session.now()
            confirmed = nodes.confirm(session, self.node, run, time_limit, now)
            if confirmed and announcement is not None:
                put(session, announcement, now)
            return confirmed

    def take_over(self) -> list[TakenRun]:
        """As nodes.take_over."""
        with self._database.changing() as session:
            return nodes.take_over(session, self.node, session.now())

    def drain(self) -> None:
        """As draining.drain."""
        with self._database.changing() as session:
            draining.drain(session, self.node, session.now())

    def undo_drain(self) -> None:
        """As draining.undo."""
        with self._database.changing() as session:
            draining.undo(session, self.node)

    def drained_since(self) -> float | None:
        """As draining.drained_since."""
        with self._database.reading() as session:
            return draining.drained_since(session, self.node)

    # ---- what is done with ----

    def runs_done_with(self, succeeded: float, failed: float, most: int) -> list[str]:
        """Runs whose folders may go, which ended so many seconds ago at the least; the oldest first."""
        with self._database.reading() as session:
            now = session.now()
            return retention.runs_done_with(
                session, self.node, ended_well=now - succeeded, ended_badly=now - failed, most=most
            )

    def left_done_with(self, run_ids: Sequence[str], succeeded: float, failed: float) -> list[str]:
        """Of runs whose folders are here: those that went on elsewhere, or were written off, and may go."""
        with self._database.reading() as session:
            now = session.now()
            return retention.left_done_with(
                session, self.node, run_ids, ended_well=now - succeeded, ended_badly=now - failed
            )

    def write_off_runs(self, run_ids: Sequence[str]) -> None:
        """Write down that the folders of runs are gone."""
        with self._database.changing() as session:
            retention.write_off_runs(session, run_ids)

    def instances_done_with(self, age: float, most: int) -> list[tuple[str, int]]:
        """Instances that may go: file, and when it was written. `age`: seconds since their group's end."""
        with self._database.reading() as session:
            before = session.now() - age
            return retention.instances_done_with(session, self.node, closed_before=before, most=most)

    def write_off_instances(self, instances: Sequence[tuple[str, int]]) -> None:
        """Write down that instances are gone, from the object store too."""
        with self._database.changing() as session:
            forget(session, self.node, instances)
            retention.write_off_instances(session, self.node, instances)

    # ---- stored files ----

    def register(self, root: str, host: str, patience: float | None = None) -> None:
        """As nodes.register_node."""
        with self._database.changing() as session:
            nodes.register_node(session, self.node, root, host, session.now(), patience)

    def unknown(self, identities: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
        """Which of the instances (when it was written, file) are not written down."""
        with self._database.reading() as session:
            known = known_of(session, self.node, identities)
        return [identity for identity in identities if identity not in known]

    def written_before(self, arrival: Arrival) -> int | None:
        """As arrivals.written_before."""
        with self._database.reading() as session:
            return written_before(session, self.node, arrival)

    def rewritten(self, file: str, before: int, now: int) -> None:
        """Let an instance be known by another time of writing."""
        with self._database.changing() as session:
            for table in ("port104_instance", "port104_object"):
                session.run(
                    f"UPDATE {table} SET written = ? WHERE node = ? AND written = ? AND file = ?",  # noqa: S608
                    now,
                    self.node,
                    before,
                    file,
                )

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def _seconds_until(self, next_of: Callable[[Session], float | None]) -> float | None:
        with self._database.reading() as session:
            due = next_of(session)
            return None if due is None else max(0.0, due - session.now())

    def now(self) -> float:
        """Seconds since 1970, by the clock of all who use this ledger."""
        with self._database.reading() as session:
            return session.now()
