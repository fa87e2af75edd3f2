"""`port104 jobs watch`: jobs as they go on, told by a running engine.

Each look is a connection of its own, so that an engine that is started anew meanwhile is found again.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click

from port104.service.commands.jobs import COLUMNS, row_of
from port104.service.commands.output import is_terminal, table_of
from port104.service.commands.reaching import Place, reach_ledger
from port104.service.escaping import escape

_SECONDS = 1.0
_GOING_ON = ("running", "waiting")

Rows = list[list[str]]


def watch(place: Place, job: str | None, filters: Mapping[str, str], limit: int) -> int:
    """Watch jobs until interrupted, or one until it has ended; returns the exit code."""

    def look() -> list[dict[str, Any]]:
        with reach_ledger(place, running=True) as ledger:
            return ledger.listed("jobs", filters, limit) if job is None else [ledger.job(job)["job"]]

    show = _on_terminal if is_terminal() else _in_pipe
    try:
        last = show(_looks(look, lambda found: job is not None and found[0]["state"] not in _GOING_ON))
    except KeyboardInterrupt:
        return 0
    return 0 if last[0]["state"] == "succeeded" else 1


def _looks(
    look: Callable[[], list[dict[str, Any]]], ended: Callable[[list[dict[str, Any]]], bool]
) -> Iterable[list[dict[str, Any]]]:
    while True:
        found = look()
        yield found
        if ended(found):
            return
        time.sleep(_SECONDS)


def _in_pipe(looks: Iterable[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Print a line for each job that is new or has changed."""
    printed: dict[str, list[str]] = {}
    found: list[dict[str, Any]] = []
    for found in looks:
        rows = [row_of(job) for job in reversed(found)]
        for row in rows:
            if printed.get(row[0]) != row:
                click.echo("\t".join(escape(cell) for cell in row))
        printed = {row[0]: row for row in rows}
    return found


def _on_terminal(looks: Iterable[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    from rich.live import Live  # noqa: PLC0415 - only a terminal pays for it

    found: list[dict[str, Any]] = []
    with Live(auto_refresh=False) as live:
        for found in looks:
            rows = [[escape(cell) for cell in row_of(job)] for job in found]
            live.update(table_of(COLUMNS, rows), refresh=True)
    return found
