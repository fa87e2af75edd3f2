"""What is done with, and may be removed.

Rules that this room keeps:
- a run's folder is done with when the run ended for good and none of its results waits; one that could not be
  delivered is kept as long as what failed, for it may be sent again;
- instances are done with when every run that works on them succeeded or was cancelled, and no group of the
  same value is open or has a run that did: a later one may be worked on with all. What failed is kept;
- files are removed first and written off afterwards: a removal that was cut off is repeated.
"""

from collections.abc import Sequence

from port104.database.session import Session

_DONE_WITH = (
    "r.ended IS NOT NULL AND ((r.state = 'succeeded' AND r.ended <= ?)"
    " OR (r.state IN ('failed', 'cancelled') AND r.ended <= ?))"
    " AND NOT EXISTS (SELECT 1 FROM port104_result x WHERE x.run_id = r.id AND"
    " (x.state IN ('waiting', 'sending', 'committing') OR (x.state = 'failed' AND x.ended > ?)))"
)


def runs_done_with(
    session: Session, node: str, *, ended_well: float, ended_badly: float, most: int
) -> list[str]:
    """Runs on `node` whose folders may go: IDs, the oldest first.

    `ended_well`, `ended_badly`: Unix times before which they must have ended, by whether they succeeded.
    """
    rows = session.run(
        f"SELECT r.id FROM port104_run r WHERE r.node = ? AND r.cleaned = 0 AND {_DONE_WITH}"  # noqa: S608 - no value is in it
        " ORDER BY r.ended LIMIT ?",
        node,
        ended_well,
        ended_badly,
        ended_badly,
        most,
    )
    return [row[0] for row in rows]


def left_done_with(
    session: Session, node: str, run_ids: Sequence[str], *, ended_well: float, ended_badly: float
) -> list[str]:
    """Of runs whose folders are on `node`: those that went on elsewhere, or were written off, and may go."""
    rows = session.run(
        f"SELECT r.id FROM port104_run r WHERE r.id IN ({', '.join('?' * len(run_ids))})"  # noqa: S608 - as above
        f" AND (r.node <> ? OR r.cleaned = 1) AND {_DONE_WITH}",
        *run_ids,
        node,
        ended_well,
        ended_badly,
        ended_badly,
    )
    return [row[0] for row in rows]


def write_off_runs(session: Session, run_ids: Sequence[str]) -> None:
    """Write down that the folders of runs are gone; not of one that is run again meanwhile."""
    session.run_many(
        "UPDATE port104_run SET cleaned = 1 WHERE id = ? AND state IN ('succeeded', 'failed', 'cancelled')",
        [(run_id,) for run_id in run_ids],
    )


def instances_done_with(
    session: Session, node: str, *, closed_before: float, most: int
) -> list[tuple[str, int]]:
    """Instances on `node` that may go: file, and when it was written; of groups closed the longest ago."""
    rows = session.run(
        "SELECT i.file, i.written FROM port104_group g JOIN port104_instance i ON i.group_id = g.id"
        " WHERE g.state = 'closed' AND g.cleaned = 0 AND g.closed <= ? AND i.node = ? AND i.state = 'kept'"
        " AND NOT EXISTS (SELECT 1 FROM port104_group f LEFT JOIN port104_job j ON j.group_id = f.id"
        " LEFT JOIN port104_run r ON r.job_id = j.id WHERE f.called = g.called AND f.tag = g.tag"
        " AND f.value = g.value AND (f.state <> 'closed' OR r.state IN ('waiting', 'running', 'failed')))"
        " ORDER BY g.closed LIMIT ?",
        closed_before,
        node,
        most,
    )
    return [(file, written) for file, written in rows]


def write_off_instances(session: Session, node: str, instances: Sequence[tuple[str, int]]) -> None:
    """Write down that instances are gone, and which groups have none any more."""
    session.run_many(
        "UPDATE port104_instance SET state = 'removed' WHERE node = ? AND file = ? AND written = ?",
        [(node, file, written) for file, written in instances],
    )
    session.run(
        "UPDATE port104_group SET cleaned = 1 WHERE state = 'closed' AND cleaned = 0 AND NOT EXISTS"
        " (SELECT 1 FROM port104_instance i WHERE i.group_id = port104_group.id AND i.state = 'kept')"
    )
