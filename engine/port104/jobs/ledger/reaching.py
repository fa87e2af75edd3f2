"""Which runs are for an engine: those whose instances it reaches, or nobody does who lives.

Replicas often have a volume each, which the others do not see. Of two that find a run the one without a file
of it would let it fail. Where its instances are in several folders that nobody sees together it fails anyway.
"""

from collections.abc import Sequence

from port104.database.session import Session
from port104.jobs.ledger.draining import MAY_BEGIN
from port104.jobs.ledger.gone import QUIET_SECONDS

_AT_ONCE = 100


def others(session: Session, node: str) -> list[tuple[str, str]]:
    """The other storage folders of the ledger: their names, and where they are."""
    rows = session.run("SELECT node, root FROM port104_node WHERE node <> ?", node)
    return [(name, root) for name, root in rows]


def first_for(
    session: Session, in_turn: Sequence[str], node: str, seen: Sequence[str], now: float
) -> str | None:
    """Find the first of some runs that waits for the engine of `node`; None: none does.

    `seen`: nodes of others whose storage folders it sees.
    """
    # Of thousands that wait the first few are looked at: mostly one of them is.
    for start in range(0, len(in_turn), _AT_ONCE):
        some = in_turn[start : start + _AT_ONCE]
        rows = session.run(
            f"SELECT id FROM port104_run WHERE id IN ({_marks(len(some))}) AND {MAY_BEGIN}"  # noqa: S608
            f" AND {_reaches(len(seen))}",
            *(*some, node, node),
            *(node, *seen, now),
        )
        found = {run_id for (run_id,) in rows}
        if found:
            return next(run_id for run_id in some if run_id in found)
    return None


def _marks(count: int) -> str:
    return ", ".join("?" * count)


def _reaches(seen: int) -> str:
    """Whether a run is no other engine's alone: what is in the object store is everybody's.

    Given are the names of our storage folder and of the `seen` others that we see, then the time.
    """
    instances = (
        "SELECT 1 FROM port104_job j JOIN port104_instance i ON i.group_id = j.group_id"
        " {joined} WHERE j.id = port104_run.job_id AND {which}"
    )
    ours = instances.format(joined="", which=f"i.node IN ({_marks(1 + seen)})")
    of_the_living = instances.format(
        joined="JOIN port104_node n ON n.node = i.node",
        which=f"n.heard + COALESCE(n.patience, {QUIET_SECONDS}) >= ? AND NOT EXISTS (SELECT 1 FROM"  # noqa: S608 - our own words
        " port104_object o WHERE o.node = i.node AND o.written = i.written AND o.file = i.file"
        " AND o.state <> 'waiting')",
    )
    return f"(EXISTS ({ours}) OR NOT EXISTS ({of_the_living}))"
