"""An engine that is to be taken away: since when it takes nothing new, and what has not come to its end.

What remains is what only its storage folder can bring to an end, or what it carries out itself. A group that
is held is not among it, for nothing ever closes that; nor what failed, which waits for people.
"""

import msgspec

from port104.database.session import Session

MAY_BEGIN = (
    "(NOT EXISTS (SELECT 1 FROM port104_node n WHERE n.node = ? AND n.drained IS NOT NULL) OR EXISTS"
    " (SELECT 1 FROM port104_job j JOIN port104_instance i ON i.group_id = j.group_id"
    " WHERE j.id = port104_run.job_id AND i.node = ?))"
)
"""Whether the engine of a node, given twice, may begin a run: a drained one only what has its instances."""


class Remains(msgspec.Struct, frozen=True, rename="camel"):
    """What has not come to its end, and what has and would be lost with the storage folder.

    `groups`: open ones with instances in it; `runs`: that wait or are under way, on its instances or by its
    engine; `results`: that are not delivered, and export requests that are not begun; `reports`: of storage
    commitment that peers are owed; `messages`: that a message broker does not have, where no other engine
    tells it; `uploads`: instances that the object store is to have. Besides `failed_runs` and `dead_letters`,
    which people may still repeat, and the `instances` that are kept in it alone.
    """

    groups: int
    runs: int
    results: int
    reports: int
    messages: int
    uploads: int
    failed_runs: int
    dead_letters: int
    instances: int

    @property
    def is_nothing(self) -> bool:
        """Whether all has come to its end."""
        work = (self.groups, self.runs, self.results, self.reports, self.messages, self.uploads)
        return not any(work)


def drain(session: Session, node: str, now: float) -> None:
    """Write down that an engine takes nothing new from now on; where it is so already it stays."""
    session.run("UPDATE port104_node SET drained = ? WHERE node = ? AND drained IS NULL", now, node)


def undo(session: Session, node: str) -> None:
    """Write down that it does again."""
    session.run("UPDATE port104_node SET drained = NULL WHERE node = ?", node)


def drained_since(session: Session, node: str) -> float | None:
    """Since when (Unix time) it takes nothing new; None: it does."""
    rows = session.run("SELECT drained FROM port104_node WHERE node = ?", node)
    return rows[0][0] if rows else None


def remains(session: Session, node: str) -> Remains:
    """Count what remains in the storage folder of an engine."""
    return Remains(
        groups=_count(
            session,
            "port104_group g WHERE g.state = 'open' AND EXISTS"
            " (SELECT 1 FROM port104_instance i WHERE i.group_id = g.id AND i.node = ?)",
            node,
        ),
        # Of an AE title that works on all of a study again, earlier groups of it count too.
        runs=_count(
            session,
            "port104_run r JOIN port104_job j ON j.id = r.job_id JOIN port104_group g ON g.id = j.group_id"
            " WHERE (r.state = 'waiting' OR r.state = 'running') AND (r.state = 'running' AND r.node = ?"
            " OR EXISTS (SELECT 1 FROM port104_group o JOIN port104_instance i ON i.group_id = o.id"
            " WHERE o.called = g.called AND o.tag = g.tag AND o.value = g.value AND i.node = ?))",
            node,
            node,
        ),
        results=sum(
            _count(session, f"port104_result WHERE state = '{state}' AND node = ?", node)
            for state in ("waiting", "sending", "committing")
        )
        + _count(session, "port104_request WHERE state = 'waiting' AND node = ?", node),
        reports=_count(session, "port104_commitment WHERE node = ?", node),
        messages=_count(
            session,
            "port104_message WHERE sent IS NULL AND NOT EXISTS (SELECT 1 FROM port104_node WHERE node <> ?)",
            node,
        ),
        uploads=_count(session, "port104_object WHERE state = 'waiting' AND node = ?", node),
        failed_runs=_count(session, "port104_run WHERE state = 'failed' AND cleaned = 0 AND node = ?", node),
        dead_letters=_count(
            session,
            "port104_export e JOIN port104_result r ON r.run_id = e.run_id AND r.destination = e.destination"
            " WHERE e.state <> 'delivered' AND r.state = 'failed' AND r.node = ?",
            node,
        ),
        instances=_count(
            session,
            "port104_instance i WHERE i.state = 'kept' AND i.node = ? AND NOT EXISTS (SELECT 1 FROM"
            " port104_object o WHERE o.node = i.node AND o.written = i.written AND o.file = i.file"
            " AND o.state <> 'waiting')",
            node,
        ),
    )


def _count(session: Session, what: str, *values: str) -> int:
    ((count,),) = session.run(f"SELECT COUNT(*) FROM {what}", *values)  # noqa: S608 - our own words
    return int(count)
