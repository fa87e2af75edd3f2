"""The engines of a ledger: where their storage folders are, who is heard of, and who takes whose runs.

Rules that this room keeps:
- a run is never begun anew while it may still be under way. It is taken from an engine that was not heard of
  for its patience and then for the run's time limit: by then what carries it out, which needs no engine, has
  ended it. What has no time limit is never begun anew;
- before it carries a run out an engine is heard of and sees that the run is its own, in one transaction.
  Whoever takes runs holds the row of their engine meanwhile: one of both comes first, and the other sees it;
- an engine takes nothing from itself: after a start it goes on with what is its own.
"""

from typing import Literal

import msgspec

from port104.database.session import Session
from port104.jobs.ledger.runs import Run

NO_TIME_LIMIT = 1e12
"""Seconds; longer than anybody waits."""


class TakenRun(msgspec.Struct, frozen=True):
    """A run that was taken from the engine of `node`, on `host`.

    `state`: it waits for another attempt; or is cancelled, where somebody wanted that.
    """

    id: str
    name: str
    state: Literal["waiting", "cancelled"]
    node: str
    host: str


def register_node(
    session: Session, node: str, root: str, host: str, now: float, patience: float | None = None
) -> None:
    """Write down where a storage folder is, and that its engine is heard of.

    `patience`: seconds after which others may take its runs, as this room says; None: never.
    """
    session.run(
        "INSERT INTO port104_node (node, root, host, started, heard, patience) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (node) DO UPDATE SET root = excluded.root, host = excluded.host,"
        " started = excluded.started, heard = excluded.heard, patience = excluded.patience",
        node,
        root,
        host,
        now,
        now,
        patience,
    )


def hear(session: Session, node: str, now: float) -> None:
    """Write down that an engine lives."""
    session.run("UPDATE port104_node SET heard = ? WHERE node = ?", now, node)


def confirm(session: Session, node: str, run: Run, time_limit: float, now: float) -> bool:
    """See that a run is still this engine's, which carries it out now; False: another one has taken it.

    `time_limit`: seconds that it may take at the most; 0: as long as it likes.
    """
    hear(session, node, now)
    limit = time_limit or NO_TIME_LIMIT
    # After a restart it may have begun under another limit.
    return bool(
        session.run(
            "UPDATE port104_run SET time_limit = CASE WHEN time_limit > ? THEN time_limit ELSE ? END"
            " WHERE id = ? AND state = 'running' AND node = ? AND attempt = ? RETURNING id",
            limit,
            limit,
            run.id,
            node,
            run.attempt,
        )
    )


def take_over(session: Session, node: str, now: float) -> list[TakenRun]:
    """Take the runs of engines that are gone; `node` is whose they are not."""
    # Of several that do so at once the others wait here, and find nothing left.
    session.run("UPDATE port104_ledger SET version = version")
    silent = session.run(
        "UPDATE port104_node SET heard = heard WHERE node <> ? AND heard + patience < ? AND EXISTS"
        " (SELECT 1 FROM port104_run r WHERE r.node = port104_node.node AND r.state = 'running')"
        " RETURNING node, host, heard, patience",
        node,
        now,
    )
    taken = []
    for gone, host, heard, patience in silent:
        why = f"its engine on {host} (node {gone}) was not heard of for {now - heard:.0f} s"
        cancelled = session.run(
            "UPDATE port104_run SET state = 'cancelled', why = ?, ended = ? WHERE state = 'running'"
            " AND node = ? AND to_be_cancelled = 1 RETURNING id, name, state",
            why,
            now,
            gone,
        )
        begun_anew = session.run(
            "UPDATE port104_run SET state = 'waiting', why = ?, ended = ?, due = ? WHERE state = 'running'"
            " AND node = ? AND time_limit < ? RETURNING id, name, state",
            why,
            now,
            now,
            gone,
            now - heard - patience,
        )
        taken += [
            TakenRun(run_id, name, state, gone, host) for run_id, name, state in (*cancelled, *begun_anew)
        ]
    return taken
