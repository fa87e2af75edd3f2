"""Results on their way: taken by one engine for a time, and what came of it, one by one.

Rules that this room keeps:
- a result is sent by the engine that holds it, until the time for which it took it is over;
- a success that was seen stays, whatever else is told of that result later;
- the tally of an export changes in the transaction in which its results do, so that what is shown is true.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from port104.database.session import Session
from port104.jobs.exporting import Tally, state_of
from port104.jobs.ledger.gone import gone_engines

_COUNTED = ("delivered", "failed", "cancelled")
_ABANDONED = "held_until < ? AND holder <> ?"


class Delivery(msgspec.Struct, frozen=True):
    """A result that is to be sent. `root`: the storage folder that its `file` is in, of `node`.

    `attempt`: how many were made since it was asked for, which was `waited` seconds ago when it was taken.
    """

    run_id: str
    file: str
    destination: str
    node: str
    root: str
    sop_class_uid: str
    sop_instance_uid: str
    attempt: int
    waited: float

    @property
    def key(self) -> tuple[str, str, str]:
        """Which one it is."""
        return self.run_id, self.file, self.destination


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of sending a result.

    `state`: it is delivered, or was stored and is to be committed to (transactions.py), failed for good, or
    waits for another attempt, in `delay` seconds. `why`: for people, without patient data, None: as before;
    `status`: (0000,0900) of the answer, None: there was none.
    `tried`: whether this was an attempt of its own, which are limited.
    """

    delivery: Delivery
    state: Literal["delivered", "committing", "failed", "waiting"]
    why: str | None = None
    status: int | None = None
    delay: float = 0.0
    tried: bool = True


class Due(msgspec.Struct, frozen=True):
    """What waits for a destination: how many are due, to a limit, and when the first of all is.

    `first`: Unix time.
    """

    destination: str
    first: float
    count: int


def due(session: Session, nodes: Sequence[str], now: float, most: int) -> list[Due]:
    """What waits in the storage folders of `nodes`. `most`: further than that none are counted."""
    found: dict[str, Due] = {}
    for node in nodes:
        # From one destination to the next, so that a million that wait cost no more than one.
        rows = session.run(
            "WITH RECURSIVE named (name) AS ("
            " SELECT MIN(destination) FROM port104_result WHERE state = 'waiting' AND node = ?"
            " UNION ALL SELECT (SELECT MIN(r.destination) FROM port104_result r WHERE r.state = 'waiting'"
            " AND r.node = ? AND r.destination > named.name) FROM named WHERE named.name IS NOT NULL)"
            " SELECT name, (SELECT MIN(r.due) FROM port104_result r WHERE r.state = 'waiting' AND r.node = ?"
            " AND r.destination = name), (SELECT COUNT(*) FROM (SELECT 1 FROM port104_result r"
            " WHERE r.state = 'waiting' AND r.node = ? AND r.destination = name AND r.due <= ?"
            " LIMIT ?) counted)"
            " FROM named WHERE name IS NOT NULL",
            *(node, node, node, node, now, most),
        )
        for name, first, count in rows:
            before = found.get(name, Due(name, first, 0))
            found[name] = Due(name, min(first, before.first), count + before.count)
    return list(found.values())


def take(
    session: Session, holder: str, nodes: Sequence[str], destination: str, most: int, now: float, until: float
) -> list[Delivery]:
    """Take what is due for a destination, the longest due first, to be sent by `holder` before `until`."""
    taken: list[Delivery] = []
    for node in nodes:
        rows = session.run(
            "UPDATE port104_result SET state = 'sending', holder = ?, held_until = ?, cancelling = 0"
            " WHERE (run_id, file, destination) IN (SELECT run_id, file, destination FROM port104_result"
            " WHERE state = 'waiting' AND node = ? AND destination = ? AND due <= ?"
            # As often taken at once by two engines; then one finds that the other has it.
            " ORDER BY due, run_id, file LIMIT ?) AND state = 'waiting'"
            " RETURNING due, run_id, file, sop_class, sop_instance, attempt, asked",
            *(holder, until, node, destination, now, most - len(taken)),
        )
        if rows:
            root = _root_of(session, node)
            taken += [
                Delivery(run_id, file, destination, node, root, sop_class, sop_instance, attempt, now - asked)
                for _, run_id, file, sop_class, sop_instance, attempt, asked in sorted(rows)
            ]
    return taken


def renew(session: Session, holder: str, until: float) -> None:
    """Go on holding what is held."""
    session.run(
        "UPDATE port104_result SET held_until = ? WHERE state = 'sending' AND holder = ?", until, holder
    )


def settle(
    session: Session, holder: str, outcomes: Iterable[Outcome], failure_threshold: float, now: float
) -> None:
    """Write down what came of results that `holder` took.

    Where it holds one no more, only a success counts: that one need not be sent by anybody.
    """
    changes = Changes()
    for outcome in sorted(outcomes, key=lambda each: each.delivery.key):
        key = outcome.delivery.key
        rows = session.run(
            "SELECT state, holder, cancelling FROM port104_result"
            " WHERE run_id = ? AND file = ? AND destination = ?",
            *key,
        )
        if not rows:
            continue
        before, held_by, cancelling = rows[0]
        is_held = before == "sending" and held_by == holder
        if before == "delivered" or not (is_held or outcome.state == "delivered"):
            continue
        after = "cancelled" if cancelling and outcome.state == "waiting" else outcome.state
        changed = session.run(
            "UPDATE port104_result SET state = ?, why = COALESCE(?, why), status = COALESCE(?, status),"
            " transaction_uid = '', attempt = attempt + ?, due = ?, ended = ?, holder = '', cancelling = 0"
            " WHERE run_id = ? AND file = ? AND destination = ? AND state = ? AND holder = ? RETURNING why",
            after,
            outcome.why,
            outcome.status,
            int(outcome.tried),
            now + outcome.delay,
            now if after in _COUNTED else None,
            *key,
            before,
            held_by,
        )
        if changed:
            changes.note(key, before, after)
    changes.write(session, failure_threshold, now)


def free(session: Session, holder: str, failure_threshold: float, now: float) -> int:
    """Let go of what `holder` took and did not settle, as after a kill; returns how much it was."""
    return _free(session, "holder = ?", (holder,), failure_threshold, now)


def is_abandoned(session: Session, holder: str, now: float) -> bool:
    """Whether there is something for `free_abandoned`."""
    sql = f"SELECT file FROM port104_result WHERE state = 'sending' AND {_ABANDONED} LIMIT 1"  # noqa: S608
    return bool(session.run(sql, now, holder))


def free_abandoned(session: Session, holder: str, failure_threshold: float, now: float) -> int:
    """Let go of what others than `holder` took for a time that is over; returns how much it was."""
    return _free(session, _ABANDONED, (now, holder), failure_threshold, now)


def give_up(
    session: Session, asked_before: float, why: str, failure_threshold: float, now: float, most: int
) -> int:
    """End the waiting of what was asked for before a Unix time; returns how much it was, `most` at the most.

    `why`: said before what went wrong last, or that its engine is gone.
    """
    rows = session.run(
        "SELECT node, run_id, file, destination, why FROM port104_result WHERE state = 'waiting'"
        " AND asked < ? ORDER BY asked LIMIT ?",
        asked_before,
        most,
    )
    changes, gone = Changes(), gone_engines(session)
    for node, *key, failure in rows:
        last = gone[node].words if node in gone else failure
        changed = session.run(
            "UPDATE port104_result SET state = 'failed', why = ?, ended = ? WHERE run_id = ? AND file = ?"
            " AND destination = ? AND state = 'waiting' RETURNING why",
            f"{why}: {last}" if last else why,
            now,
            *key,
        )
        if changed:
            changes.note(key, "waiting", "failed")
    changes.write(session, failure_threshold, now)
    return len(rows)


# ---- by people ----


def retry(session: Session, export_id: str, failure_threshold: float, now: float) -> int | None:
    """Let what failed or was cancelled of an export be sent, with attempts of its own.

    Returns how many results; None: there is no such export.
    """
    return _move_all(session, export_id, ("failed", "cancelled"), "waiting", failure_threshold, now)


def cancel(session: Session, export_id: str, failure_threshold: float, now: float) -> int | None:
    """Send nothing more of an export; returns as `retry` does. What is being sent has no attempt after it."""
    session.run(
        "UPDATE port104_result SET cancelling = 1 WHERE state = 'sending' AND (run_id, destination) IN"
        " (SELECT run_id, destination FROM port104_export WHERE id = ?)",
        export_id,
    )
    return _move_all(
        session, export_id, ("waiting", "committing", "failed"), "cancelled", failure_threshold, now
    )


def retry_results(
    session: Session, keys: Iterable[tuple[str, str, str]], failure_threshold: float, now: float
) -> None:
    """Let results (run, file, destination) be sent that failed or were cancelled; others stay as they are."""
    changes = Changes()
    for key in keys:
        for before in ("failed", "cancelled"):
            if session.run(
                "UPDATE port104_result SET state = 'waiting', asked = ?, due = ?, ended = NULL, attempt = 0"
                " WHERE run_id = ? AND file = ? AND destination = ? AND state = ? RETURNING file",
                *(now, now, *key, before),
            ):
                changes.note(key, before, "waiting")
    changes.write(session, failure_threshold, now)


def _move_all(
    session: Session, export_id: str, states: Sequence[str], after: str, failure_threshold: float, now: float
) -> int | None:
    found = session.run("SELECT run_id, destination FROM port104_export WHERE id = ?", export_id)
    if not found:
        return None
    run_id, destination = found[0]
    changes, moved = Changes(), 0
    for before in states:
        rows = session.run(
            "UPDATE port104_result SET state = ?, asked = ?, due = ?, ended = ?, attempt = ? * attempt"
            " WHERE run_id = ? AND destination = ? AND state = ? RETURNING file",
            *(after, now, now, now if after in _COUNTED else None, int(after != "waiting")),
            *(run_id, destination, before),
        )
        moved += len(rows)
        for (file,) in rows:
            changes.note((run_id, file, destination), before, after)
    changes.write(session, failure_threshold, now)
    return moved


# ---- destinations that are left alone for a while ----


def pause(session: Session, node: str, destination: str, why: str, due: float | None, now: float) -> None:
    """Write down that nothing is sent to a destination until `due`, and why."""
    session.run(
        "INSERT INTO port104_pause (node, destination, why, since, due) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (node, destination) DO UPDATE SET why = excluded.why, due = excluded.due",
        *(node, destination, why, now, due),
    )


def resume(session: Session, node: str, destination: str | None) -> None:
    """Write down that a destination is sent to again; None: all of them, as at a start."""
    if destination is None:
        session.run("DELETE FROM port104_pause WHERE node = ?", node)
    else:
        session.run("DELETE FROM port104_pause WHERE node = ? AND destination = ?", node, destination)


def other_nodes(session: Session, node: str) -> list[tuple[str, str]]:
    """The storage folders of others that hold results which wait: their names, and where they are."""
    rows = session.run(
        "SELECT n.node, n.root FROM port104_node n WHERE n.node <> ? AND EXISTS"
        " (SELECT 1 FROM port104_result r WHERE r.state = 'waiting' AND r.node = n.node)",
        node,
    )
    return [(name, root) for name, root in rows]


class Changes:
    """Which results went from which state to which, for the tallies of their exports."""

    def __init__(self) -> None:
        self._by_export: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)

    def note(self, key: Sequence[str], before: str, after: str) -> None:
        """A result changed its state."""
        run_id, _, destination = key
        self._by_export[run_id, destination].update({after: 1})
        self._by_export[run_id, destination].subtract({before: 1})

    def write(self, session: Session, failure_threshold: float, now: float) -> None:
        """Change the tallies, and the states with them."""
        for export, counts in sorted(self._by_export.items()):
            rows = session.run(
                "UPDATE port104_export SET delivered = delivered + ?, failed = failed + ?,"
                " cancelled = cancelled + ? WHERE run_id = ? AND destination = ?"
                " RETURNING total, delivered, failed, cancelled",
                *(counts[each] for each in _COUNTED),
                *export,
            )
            if rows:
                state = state_of(Tally(*rows[0]), failure_threshold)
                session.run(
                    "UPDATE port104_export SET state = ?, ended = ? WHERE run_id = ? AND destination = ?",
                    state,
                    None if state == "waiting" else now,
                    *export,
                )


def _free(
    session: Session, whose: str, of_whom: Sequence[str | float], failure_threshold: float, now: float
) -> int:
    rows = session.run(
        "UPDATE port104_result SET state = CASE WHEN cancelling = 1 THEN 'cancelled' ELSE 'waiting' END,"  # noqa: S608
        " holder = '', cancelling = 0, ended = CASE WHEN cancelling = 1 THEN ? END WHERE state = 'sending'"
        f" AND {whose} RETURNING state, run_id, file, destination",
        now,
        *of_whom,
    )
    changes = Changes()
    for state, *key in rows:
        changes.note(key, "sending", state)
    changes.write(session, failure_threshold, now)
    return len(rows)


def _root_of(session: Session, node: str) -> str:
    rows = session.run("SELECT root FROM port104_node WHERE node = ?", node)
    return str(rows[0][0]) if rows else ""
