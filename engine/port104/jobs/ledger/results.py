"""What runs left, and where it is to go: what goes to one destination is an export."""

import secrets
from collections.abc import Sequence
from typing import Literal

import msgspec

from port104.database.session import Session

# A result of a job one step more important (planning.PRIORITIES) is sent before those that have waited this
# many seconds less. What is important goes first, and nothing waits for ever behind it.
_HEAD_START = 600.0


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A file that a run left, for one destination; empty: for none.

    `file`: its path below the storage folder. `state`: it waits for its delivery, is kept where it is, or is
    no DICOM file; `why` says why then.
    """

    file: str
    destination: str = ""
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    state: Literal["waiting", "kept", "unreadable"]
    why: str = ""


def register(session: Session, node: str, run_id: str, results: Sequence[Result], now: float) -> None:
    """Write results down, and their exports; what is known already stays as it is."""
    due = now - _head_start_of(session, run_id)
    session.run_many(
        "INSERT INTO port104_result (run_id, file, destination, node, sop_class, sop_instance, state,"
        " why, registered, asked, due) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (run_id, file, destination) DO NOTHING",
        [
            (
                run_id,
                each.file,
                each.destination,
                node,
                each.sop_class_uid,
                each.sop_instance_uid,
                each.state,
                each.why,
                *(now, now, due),
            )
            for each in results
        ],
    )
    for destination in sorted({each.destination for each in results if each.state == "waiting"}):
        _make_export(session, run_id, destination, now)


def _head_start_of(session: Session, run_id: str) -> float:
    rows = session.run("SELECT priority FROM port104_run WHERE id = ?", run_id)
    return float(rows[0][0]) * _HEAD_START if rows else 0.0


def _make_export(session: Session, run_id: str, destination: str, now: float) -> None:
    """Write down the export of a run for a destination; where it is known, what it has now."""
    ((total,),) = session.run(
        "SELECT COUNT(*) FROM port104_result WHERE run_id = ? AND destination = ?", run_id, destination
    )
    session.run(
        "INSERT INTO port104_export (id, run_id, destination, state, registered, total, delivered, failed,"
        " cancelled) VALUES (?, ?, ?, 'waiting', ?, ?, 0, 0, 0) ON CONFLICT (run_id, destination)"
        " DO UPDATE SET total = excluded.total, state = 'waiting', ended = NULL"
        " WHERE port104_export.total <> excluded.total",
        secrets.token_hex(8),
        run_id,
        destination,
        now,
        total,
    )
