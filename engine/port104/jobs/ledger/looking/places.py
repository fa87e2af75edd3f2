"""Where a run was carried out, for what is not in the ledger: its log."""

import msgspec

from port104.database.session import Session
from port104.jobs.ledger.looking.pages import sought


class RunPlace(msgspec.Struct, frozen=True):
    """Where the latest attempt of a run is: in the storage folder `root` of `node`, on `host`.

    `attempt`: 0 before the first; then `node` may be None.
    """

    run: str
    attempt: int
    node: str | None
    root: str
    host: str


def run_place(session: Session, job_id: str, run_id: str) -> RunPlace | None:
    """Find a run of a job; None: it has no such run, or there is no such job."""
    rows = session.run(
        "SELECT r.id, r.attempt, r.node, COALESCE(n.root, ''), COALESCE(n.host, '') FROM port104_run r"
        " LEFT JOIN port104_node n ON n.node = r.node WHERE r.id = ? AND r.job_id = ?",
        sought(run_id),
        sought(job_id),
    )
    return RunPlace(*rows[0]) if rows else None
