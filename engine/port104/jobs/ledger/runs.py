"""Jobs and their runs: made with a closed group, begun by one engine each, ended once.

Rules that this room keeps:
- a job and its runs are of the transaction that closes their group;
- a run is begun by one engine only, and of a pipeline no more at a time than it allows; an engine that is
  drained begins only what it has instances of, and none what another one alone reaches (reaching.py);
- an end that was written down stays: what succeeded is not run again.
"""

import secrets
from collections.abc import Mapping, Sequence

import msgspec

from port104.database.session import Session
from port104.jobs.ledger.closing import ClosedGroup
from port104.jobs.ledger.reaching import first_for
from port104.jobs.planning import Outcome, Plan

# Seconds that a run which cannot begin yet waits for.
_SHORTEST_WAIT, _LONGEST_WAIT = 0.5, 60.0


class Run(msgspec.Struct, frozen=True):
    """A run that was begun. `attempt`: from 1, over all reruns; `first`: that of the rerun that it is of.

    `retry_delay`: seconds, of its job.
    """

    id: str
    job_id: str
    group_id: str
    called_ae_title: str
    pipeline: str
    pipeline_id: str
    name: str
    attempt: int
    first: int
    retry_delay: float

    @property
    def tries(self) -> int:
        """Attempts since it was asked for, this one included."""
        return self.attempt - self.first + 1

    @property
    def series(self) -> str:
        """What is the same for all attempts, and another one for each rerun."""
        return self.id if self.first == 1 else f"{self.id}-{self.first}"


_RUN = (
    "SELECT r.id, r.job_id, j.group_id, j.called, r.pipeline, r.pipeline_id, r.name, r.attempt, r.first,"
    " j.retry_delay"
    " FROM port104_run r JOIN port104_job j ON j.id = r.job_id"
)


def make_job(session: Session, group: ClosedGroup, plan: Plan, now: float) -> str | None:
    """Write down the runs that a closed group is worth; returns the job's ID, None where there is no run."""
    if not plan.runs:
        return None
    job_id = secrets.token_hex(8)
    session.run(
        "INSERT INTO port104_job (id, group_id, called, priority, retry_delay, created)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        job_id,
        group.id,
        group.called_ae_title,
        plan.priority,
        plan.retry_delay,
        now,
    )
    session.run_many(
        "INSERT INTO port104_run (id, job_id, pipeline, pipeline_id, name, state, priority, attempt, due,"
        " why, to_be_cancelled, cleaned, first) VALUES (?, ?, ?, ?, ?, 'waiting', ?, 0, ?, '', 0, 0, 1)",
        [
            (secrets.token_hex(8), job_id, run.pipeline, run.pipeline_id, run.name, plan.priority, now)
            for run in plan.runs
        ],
    )
    return job_id


def begin(
    session: Session, node: str, limits: Mapping[str, int], now: float, seen: Sequence[str] = ()
) -> Run | None:
    """Begin the run that is first in turn, of those that are due; None: there is none that may begin.

    `limits`: pipeline ID -> how many of its runs may be under way at a time, on all engines. `seen`: nodes of
    others whose storage folders this engine sees.
    """
    # Whoever begins one at the same time waits here, so that limits hold.
    session.run("UPDATE port104_ledger SET version = version")
    under_way = dict(
        session.run(
            "SELECT pipeline_id, COUNT(*) FROM port104_run WHERE state = 'running' GROUP BY pipeline_id"
        )
    )
    waiting = session.run(
        "SELECT id, pipeline_id FROM port104_run WHERE state = 'waiting' AND due <= ?"
        " ORDER BY priority DESC, due, id",
        now,
    )
    in_turn = [
        run_id
        for run_id, pipeline_id in waiting
        if under_way.get(pipeline_id, 0) < limits.get(pipeline_id, 0)
    ]
    run_id = first_for(session, in_turn, node, seen, now)
    if run_id is None:
        return None
    session.run(
        "UPDATE port104_run SET state = 'running', node = ?, attempt = attempt + 1, started = ?,"
        " ended = NULL, why = '',"
        " to_be_cancelled = 0, cleaned = 0, time_limit = 0 WHERE id = ?",
        node,
        now,
        run_id,
    )
    return _run(session, run_id)


def under_way(session: Session, node: str) -> list[Run]:
    """The runs that this engine has begun and not ended; after a start: what the one before left."""
    return [
        Run(*row)
        for row in session.run(f"{_RUN} WHERE r.state = 'running' AND r.node = ? ORDER BY r.id", node)
    ]


def end(session: Session, run: Run, outcome: Outcome, why: str, now: float) -> bool:
    """Write down how an attempt ended for good; False: it had ended, or was begun anew, before."""
    return bool(
        session.run(
            "UPDATE port104_run SET state = ?, why = ?, ended = ? WHERE id = ? AND state = 'running'"
            " AND attempt = ? RETURNING id",
            outcome,
            why,
            now,
            run.id,
            run.attempt,
        )
    )


def postpone(session: Session, run: Run, why: str, due: float, now: float) -> bool:
    """Write down that an attempt failed, and that there is another one at `due`; False as `end` does."""
    return bool(
        session.run(
            "UPDATE port104_run SET state = 'waiting', why = ?, ended = ?, due = ? WHERE id = ?"
            " AND state = 'running' AND attempt = ? RETURNING id",
            why,
            now,
            due,
            run.id,
            run.attempt,
        )
    )


def put_back(session: Session, node: str, run: Run, why: str, now: float) -> bool:
    """Write down that an attempt was not begun after all, and why; False as `end` does.

    It waits again, for longer the older its job is, and has used up no attempt.
    """
    ((created,),) = session.run("SELECT created FROM port104_job WHERE id = ?", run.job_id)
    wait = min(max(_SHORTEST_WAIT, (now - created) / 4), _LONGEST_WAIT)
    return bool(
        session.run(
            "UPDATE port104_run SET"
            " state = CASE WHEN to_be_cancelled = 1 THEN 'cancelled' ELSE 'waiting' END,"
            " attempt = attempt - 1, why = ?, due = ?, ended = CASE WHEN to_be_cancelled = 1 THEN"
            " CAST(? AS DOUBLE PRECISION) ELSE NULL END"
            " WHERE id = ? AND state = 'running' AND node = ? AND attempt = ? RETURNING id",
            *(why, now + wait, now, run.id, node, run.attempt),
        )
    )


def to_be_cancelled(session: Session, node: str) -> list[str]:
    """The runs under way on `node` that somebody wants to end."""
    rows = session.run(
        "SELECT id FROM port104_run WHERE state = 'running' AND node = ? AND to_be_cancelled = 1", node
    )
    return [row[0] for row in rows]


def next_due(session: Session) -> float | None:
    """When the next waiting run is due; None: none waits."""
    ((due,),) = session.run("SELECT MIN(due) FROM port104_run WHERE state = 'waiting'")
    return None if due is None else float(due)


def cancel(session: Session, run_id: str, now: float) -> str | None:
    """Cancel a run that waits; returns its state before, None where there is no such run.

    One that is running is ended by who runs it, which looks at `to_be_cancelled`.
    """
    rows = session.run("SELECT state FROM port104_run WHERE id = ?", run_id)
    session.run("UPDATE port104_run SET to_be_cancelled = 1 WHERE id = ? AND state = 'running'", run_id)
    session.run(
        "UPDATE port104_run SET state = 'cancelled', ended = ? WHERE id = ? AND state = 'waiting'",
        now,
        run_id,
    )
    return str(rows[0][0]) if rows else None


def rerun(session: Session, run_id: str, now: float) -> str | None:
    """Let a run that has ended run again; returns its state before, None where there is no such run."""
    rows = session.run("SELECT state FROM port104_run WHERE id = ?", run_id)
    session.run(
        "UPDATE port104_run SET state = 'waiting', due = ?, first = attempt + 1, ended = NULL WHERE id = ?"
        " AND (state = 'succeeded' OR state = 'failed' OR state = 'cancelled')",
        now,
        run_id,
    )
    return str(rows[0][0]) if rows else None


def _run(session: Session, run_id: str) -> Run:
    (row,) = session.run(f"{_RUN} WHERE r.id = ?", run_id)
    return Run(*row)
