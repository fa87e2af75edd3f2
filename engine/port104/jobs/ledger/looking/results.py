"""Results: what runs left for which destination, and what became of each."""

from collections.abc import Sequence
from typing import Any

import msgspec

from port104.database.session import Session
from port104.jobs.exporting import ResultState
from port104.jobs.times import iso, iso_or_none

MOST_RESULTS = 1000
"""Results that are told of one job, or one export: a run may leave a hundred thousand."""
_AT_ONCE = 500  # parameters of one statement; SQLite takes 999 at least


class Result(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A file that a run left, for one destination; empty: for none. Times: ISO 8601, UTC.

    `state`: it waits for its delivery, is being sent, is `committing` (stored, and its destination is to say
    that it holds it), was delivered, has failed for good or was cancelled; or it is kept where it is, or
    unreadable: no DICOM file. `why` says what went wrong last, or what was noted when it was delivered;
    `status`: (0000,0900) that was answered last, in hexadecimal. `attempt`: how many there were since it was
    asked for; `due`: when the next one is, of a result that waits; `ended`: when it was delivered, failed or
    was cancelled. `file`: its path below the storage folder of `node`.
    """

    run: str
    file: str
    destination: str
    sop_class_uid: str
    sop_instance_uid: str
    state: ResultState
    why: str
    status: str | None
    attempt: int
    due: str | None
    ended: str | None
    node: str
    registered: str


def read_results(session: Session, where: str, *parameters: Any) -> list[Result]:
    """Read results. `where`: what follows the table in SQL, with `?` for the parameters."""
    rows = session.run(
        "SELECT run_id, file, destination, sop_class, sop_instance, state, why, status, attempt, due, ended,"  # noqa: S608
        f" node, registered FROM port104_result {where}",
        *parameters,
    )
    return [_result(row) for row in rows]


def results_in(session: Session, run_id: str, files: Sequence[str]) -> list[Result]:
    """Read the results of a run that are in some files, by their paths."""
    found = []
    for first in range(0, len(files), _AT_ONCE):
        some = files[first : first + _AT_ONCE]
        where = f"WHERE run_id = ? AND file IN ({', '.join('?' * len(some))}) ORDER BY file, destination"
        found += read_results(session, where, run_id, *some)
    return found


def _result(row: Sequence[Any]) -> Result:
    run, file, destination, sop_class, sop_instance, state, why, status, *times, node, registered = row
    attempt, due, ended = times
    return Result(
        run=run,
        file=file,
        destination=destination,
        sop_class_uid=sop_class,
        sop_instance_uid=sop_instance,
        state=state,
        why=why,
        status=None if status is None else f"{status:04X}",
        attempt=attempt,
        due=iso(due) if state == "waiting" else None,
        ended=iso_or_none(ended),
        node=node,
        registered=iso(registered),
    )
