"""Groups that are due are closed, and what is to be done with them is written down in the same transaction.

A group is closed by whoever finds it due first, and only where it still is: what came meanwhile, to this
engine or another, has moved the time.
"""

from collections.abc import Callable, Iterator

import msgspec

from port104.database.session import Database, Session
from port104.jobs.grouping import Reason

_AT_ONCE = 100


class ClosedGroup(msgspec.Struct, frozen=True):
    """A group to which nothing is added any more.

    `opened`, `last`: Unix times of its first and last instance. `follows`: the group of the same value that
    was closed before, or None; `with_all`: that one's instances are to be worked on again.
    """

    id: str
    called_ae_title: str
    opened: float
    last: float
    instances: int
    reason: Reason
    follows: str | None
    with_all: bool


def close_due(
    database: Database, now: float, closed: Callable[[Session, ClosedGroup], None]
) -> Iterator[ClosedGroup]:
    """Close the groups that are due at `now`, each in a transaction that `closed` has a part in."""
    with database.reading() as session:
        rows = session.run(
            "SELECT id FROM port104_group WHERE state = 'open' AND due <= ? ORDER BY due LIMIT ?",
            now,
            _AT_ONCE,
        )
    for (group_id,) in rows:
        with database.changing() as session:
            group = _close(session, group_id, now)
            if group is not None:
                closed(session, group)
        if group is not None:
            yield group


def next_due(session: Session) -> float | None:
    """When the next group is due; None: there is none."""
    ((due,),) = session.run("SELECT MIN(due) FROM port104_group WHERE state = 'open'")
    return None if due is None else float(due)


def _close(session: Session, group_id: str, now: float) -> ClosedGroup | None:
    rows = session.run(
        "UPDATE port104_group SET state = 'closed', closed = ? WHERE id = ? AND state = 'open' AND due <= ?"
        " RETURNING id, called, opened, last, instances, reason, follows, with_all",
        now,
        group_id,
        now,
    )
    if not rows:
        return None
    group, called, opened, last, instances, reason, follows, with_all = rows[0]
    return ClosedGroup(group, called, opened, last, instances, reason, follows, bool(with_all))
