"""How much there is to do, on all engines of the ledger: of what has not succeeded, which is little."""

import msgspec

from port104.database.session import Session

STATES = ("waiting", "running", "failed", "cancelled")


class Work(msgspec.Struct, frozen=True):
    """Runs by state (STATES), and groups that are open or held."""

    runs: dict[str, int]
    groups: dict[str, int]


def work(session: Session) -> Work:
    """Count it."""
    runs = session.run("SELECT state, COUNT(*) FROM port104_run WHERE state <> 'succeeded' GROUP BY state")
    groups = session.run("SELECT state, COUNT(*) FROM port104_group WHERE state <> 'closed' GROUP BY state")
    return Work(dict.fromkeys(STATES, 0) | dict(runs), {"open": 0, "holding": 0} | dict(groups))
