"""Exports: what was delivered where and when, what was not, and why."""

from collections.abc import Sequence
from typing import Any

import msgspec

from port104.database.session import Session
from port104.jobs.exporting import ExportState, Tally
from port104.jobs.ledger.looking.pages import Conditions, Found, Listing, Page, read_page, sought
from port104.jobs.ledger.looking.pauses import Pause, Pauses
from port104.jobs.ledger.looking.results import MOST_RESULTS, Result, read_results
from port104.jobs.times import iso, iso_or_none


class Export(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What one run left for one destination. Times: ISO 8601, UTC.

    `state`: something of it is still to be sent; all of it was delivered, a part, or (by `failureThreshold`)
    too little; or it was cancelled. `total` results, of which so many are `waiting` (or being sent),
    `delivered`, `failed` and `cancelled`. `pause`: why nothing of it is sent at the moment.
    """

    id: str
    job: str
    run: str
    destination: str
    state: ExportState
    total: int
    waiting: int
    delivered: int
    failed: int
    cancelled: int
    registered: str
    ended: str | None
    pause: Pause | None


class ExportDetail(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An export with its results; of more than a thousand those that are not delivered come first."""

    export: Export
    results: list[Result]


class WantedExports(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which exports are asked for; None: any."""

    state: ExportState | None = None
    destination: str | None = None
    job: str | None = None


_LISTING = Listing(
    columns="e.id, COALESCE(r.job_id, ''), e.run_id, e.destination, e.state, e.registered, e.ended,"
    " e.total, e.delivered, e.failed, e.cancelled",
    source="port104_export e LEFT JOIN port104_run r ON r.id = e.run_id",
    key=("e.registered", "e.id"),
    kinds=tuple[float, str],
)


def exports(session: Session, wanted: WantedExports, page: Page) -> Found[Export]:
    """Read a page of exports, the latest first. Raises FaultyPageError."""
    conditions = Conditions()
    conditions.equal("e.state", wanted.state)
    if wanted.state not in (None, "delivered"):
        conditions.add("e.state <> 'delivered'")  # in the words of an index of those, which are few
    conditions.equal("e.destination", wanted.destination)
    if wanted.job is not None:
        conditions.add("e.run_id IN (SELECT id FROM port104_run WHERE job_id = ?)", sought(wanted.job))
    pauses = Pauses(session)
    return read_page(session, _LISTING, conditions, page, lambda row: _export(row, pauses))


def exports_of_runs(session: Session, run_ids: Sequence[str]) -> list[Export]:
    """Read the exports of some runs."""
    rows = session.run(
        f"SELECT {_LISTING.columns} FROM {_LISTING.source}"  # noqa: S608 - no value is in it
        f" WHERE e.run_id IN ({', '.join('?' * len(run_ids))}) ORDER BY e.registered, e.destination, e.id",
        *run_ids,
    )
    pauses = Pauses(session)
    return [_export(row, pauses) for row in rows]


def export(session: Session, export_id: str) -> ExportDetail | None:
    """Read everything of one export; None: there is none of this ID."""
    rows = session.run(
        f"SELECT {_LISTING.columns} FROM {_LISTING.source} WHERE e.id = ?",  # noqa: S608 - no value is in it
        sought(export_id),
    )
    if not rows:
        return None
    shown = _export(rows[0], Pauses(session))
    undone = "CASE WHEN state = 'delivered' THEN 1 ELSE 0 END"
    results = read_results(
        session,
        f"WHERE run_id = ? AND destination = ? ORDER BY {undone}, file LIMIT ?",
        shown.run,
        shown.destination,
        MOST_RESULTS,
    )
    return ExportDetail(export=shown, results=results)


def _export(row: Sequence[Any], pauses: Pauses) -> Export:
    id_, job, run, destination, state, registered, ended, *counts = row
    tally = Tally(*counts)
    return Export(
        id=id_,
        job=job,
        run=run,
        destination=destination,
        state=state,
        total=tally.total,
        waiting=tally.waiting,
        delivered=tally.delivered,
        failed=tally.failed,
        cancelled=tally.cancelled,
        registered=iso(registered),
        ended=iso_or_none(ended),
        pause=pauses.of(run, destination) if tally.waiting else None,
    )
