"""Jobs with their runs, and what runs left."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from port104.database.session import Session
from port104.jobs.ledger.looking.exports import Export, exports_of_runs
from port104.jobs.ledger.looking.groups import Group, group
from port104.jobs.ledger.looking.pages import Conditions, Found, Listing, Page, read_page, sought
from port104.jobs.ledger.looking.results import MOST_RESULTS, Result, read_results
from port104.jobs.planning import PRIORITIES
from port104.jobs.times import iso, iso_or_none

State = Literal["running", "waiting", "failed", "cancelled", "succeeded"]
STATES: tuple[State, ...] = ("running", "waiting", "failed", "cancelled", "succeeded")
"""Of runs and jobs: a job is in the first of these that one of its runs is in."""

_WORDS = {number: word for word, number in PRIORITIES.items()}
_AT_ONCE = 500  # parameters of one statement; SQLite takes 999 at least


class JobRun(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A pipeline over the instances of a job. Times: ISO 8601, UTC, of the latest attempt.

    `pipeline`: what the AE title calls it; `attempt`: from 1; 0 before the first. `due`: when the next one
    begins at the earliest, of a run that waits; `cancelling`: somebody wants to end it, and it has not ended
    yet. `why` it failed or was cancelled. `node`: the storage folder whose engine runs it.
    """

    id: str
    name: str
    pipeline: str
    pipeline_id: str
    state: State
    cancelling: bool
    attempt: int
    due: str | None
    started: str | None
    ended: str | None
    why: str
    node: str | None


class Job(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a closed group is worth. `state`: of its runs; `group`: its ID; `instances`: of that group."""

    id: str
    group: str
    called_ae_title: str
    priority: str
    created: str
    state: State
    instances: int
    runs: list[JobRun]


class JobDetail(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A job with everything that is known of it. `resultCounts`: state -> how many results are in it.

    `exports`: what was delivered of them where.
    """

    job: Job
    group: Group | None
    result_counts: dict[str, int]
    exports: list[Export]
    results: list[Result]


class WantedJobs(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which jobs are asked for; None: any."""

    state: State | None = None
    called_ae_title: str | None = None
    group: str | None = None


_COLUMNS = "j.id, j.group_id, j.called, j.priority, j.created, COALESCE(g.instances, 0)"
_JOBS = "port104_job j LEFT JOIN port104_group g ON g.id = j.group_id"
_ALL = Listing(_COLUMNS, _JOBS, key=("j.created", "j.id"), kinds=tuple[float, str])
# Of a state that few runs are in, jobs are found by these: CROSS keeps SQLite from going through all jobs.
_BY_RUNS = msgspec.structs.replace(_ALL, source=f"port104_run r CROSS JOIN {_JOBS}")
_NO_OTHER_RUN = "NOT EXISTS (SELECT 1 FROM port104_run o WHERE o.job_id = j.id AND "


def jobs(session: Session, wanted: WantedJobs, page: Page) -> Found[Job]:
    """Read a page of jobs, the latest first. Raises FaultyPageError."""
    conditions, listing = Conditions(), _ALL
    if wanted.state == "succeeded":
        conditions.add(f"{_NO_OTHER_RUN} o.state <> 'succeeded')")
    elif wanted.state is not None:
        listing = _BY_RUNS
        # In the words of an index of those; of several runs of a job one stands for it.
        conditions.add("r.job_id = j.id AND r.state <> 'succeeded' AND r.state = ?", wanted.state)
        conditions.add(f"{_NO_OTHER_RUN} o.state = r.state AND o.id < r.id)")
        for before in STATES[: STATES.index(wanted.state)]:
            conditions.add(f"{_NO_OTHER_RUN} o.state = ?)", before)
    conditions.equal("j.called", wanted.called_ae_title)
    conditions.equal("j.group_id", wanted.group)
    found = read_page(session, listing, conditions, page, tuple)
    return Found(_with_runs(session, found.items), found.following)


def jobs_of_groups(session: Session, group_ids: Sequence[str]) -> list[Job]:
    """Read the jobs of some groups, in the order in which they were made."""
    rows = session.run(
        f"SELECT {_COLUMNS} FROM {_JOBS}"  # noqa: S608 - no value is in it
        f" WHERE j.group_id IN ({', '.join('?' * len(group_ids))}) ORDER BY j.created, j.id",
        *group_ids,
    )
    return _with_runs(session, rows)


def job(session: Session, job_id: str) -> JobDetail | None:
    """Read everything of one job; None: there is none of this ID."""
    rows = session.run(
        f"SELECT {_COLUMNS} FROM {_JOBS} WHERE j.id = ?",  # noqa: S608 - no value is in it
        sought(job_id),
    )
    return detail_of(session, _with_runs(session, rows)[0]) if rows else None


def detail_of(session: Session, shown: Job) -> JobDetail:
    """Read what else is known of a job."""
    runs = [run.id for run in shown.runs]
    of_runs = f"FROM port104_result WHERE run_id IN ({', '.join('?' * len(runs))})"
    counts = session.run(f"SELECT state, COUNT(*) {of_runs} GROUP BY state ORDER BY state", *runs)
    return JobDetail(
        job=shown,
        group=group(session, shown.group),
        result_counts=dict(counts),
        exports=exports_of_runs(session, runs),
        results=read_results(
            session,
            f"WHERE run_id IN ({', '.join('?' * len(runs))}) ORDER BY run_id, file, destination LIMIT ?",
            *runs,
            MOST_RESULTS,
        ),
    )


def _with_runs(session: Session, rows: Sequence[Sequence[Any]]) -> list[Job]:
    runs: defaultdict[str, list[JobRun]] = defaultdict(list)
    ids = [row[0] for row in rows]
    for first in range(0, len(ids), _AT_ONCE):
        some = ids[first : first + _AT_ONCE]
        found = session.run(
            "SELECT job_id, id, name, pipeline, pipeline_id, state, to_be_cancelled, attempt, due, started,"  # noqa: S608
            f" ended, why, node FROM port104_run WHERE job_id IN ({', '.join('?' * len(some))})"
            " ORDER BY pipeline, id",
            *some,
        )
        for row in found:
            runs[row[0]].append(_run(row[1:]))
    return [_job(row, runs[row[0]]) for row in rows]


def _job(row: Sequence[Any], runs: list[JobRun]) -> Job:
    id_, group_id, called, priority, created, count = row
    states = {run.state for run in runs}
    return Job(
        id=id_,
        group=group_id,
        called_ae_title=called,
        priority=_WORDS[priority],
        created=iso(created),
        state=next((state for state in STATES if state in states), "succeeded"),
        instances=count,
        runs=runs,
    )


def _run(row: Sequence[Any]) -> JobRun:
    id_, name, pipeline, pipeline_id, state, cancelling, attempt, due, started, ended, why, node = row
    return JobRun(
        id=id_,
        name=name,
        pipeline=pipeline,
        pipeline_id=pipeline_id,
        state=state,
        cancelling=state == "running" and bool(cancelling),
        attempt=attempt,
        due=iso(due) if state == "waiting" else None,
        started=iso_or_none(started),
        ended=iso_or_none(ended),
        why=why,
        node=node,
    )
