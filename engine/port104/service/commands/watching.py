"""`port104 jobs watch` and `exports watch`: how they go on, told by a running engine.

Each look is a connection of its own, so that an engine that is started anew meanwhile is found again.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import click

from port104.service.commands.looking import Looker, What
from port104.service.commands.output import is_terminal, table_of
from port104.service.commands.reaching import Place, reach_ledger
from port104.service.escaping import escape

_SECONDS = 1.0


class Watched(NamedTuple):
    """What is watched. `columns`, `row_of`: how it is listed, its ID first; `one`: reads one of an ID.

    `going_on`: the states of what has not ended; `good`: of what ended well.
    """

    what: What
    columns: tuple[str, ...]
    row_of: Callable[[Mapping[str, Any]], list[str]]
    one: Callable[[Looker, str], dict[str, Any]]
    going_on: tuple[str, ...]
    good: str


def watch(place: Place, watched: Watched, one: str | None, filters: Mapping[str, str], limit: int) -> int:
    """Watch them until interrupted, or one until it has ended; returns the exit code."""

    def look() -> list[dict[str, Any]]:
        with reach_ledger(place, running=True) as ledger:
            if one is not None:
                return [watched.one(ledger, one)]
            return ledger.listed(watched.what, filters, limit)

    show = _on_terminal if is_terminal() else _in_pipe
    looks = _looks(look, lambda found: one is not None and found[0]["state"] not in watched.going_on)
    try:
        last = show(watched, looks)
    except KeyboardInterrupt:
        return 0
    return 0 if last[0]["state"] == watched.good else 1


def _looks(
    look: Callable[[], list[dict[str, Any]]], ended: Callable[[list[dict[str, Any]]], bool]
) -> Iterable[list[dict[str, Any]]]:
    while True:
        found = look()
        yield found
        if ended(found):
            return
        time.sleep(_SECONDS)


def _in_pipe(watched: Watched, looks: Iterable[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Print a line for each that is new or has changed."""
    printed: dict[str, list[str]] = {}
    found: list[dict[str, Any]] = []
    for found in looks:
        rows = [watched.row_of(each) for each in reversed(found)]
        for row in rows:
            if printed.get(row[0]) != row:
                click.echo("\t".join(escape(cell) for cell in row))
        printed = {row[0]: row for row in rows}
    return found


def _on_terminal(watched: Watched, looks: Iterable[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    from rich.live import Live  # noqa: PLC0415 - only a terminal pays for it

    found: list[dict[str, Any]] = []
    with Live(auto_refresh=False) as live:
        for found in looks:
            rows = [[escape(cell) for cell in watched.row_of(each)] for each in found]
            live.update(table_of(watched.columns, rows), refresh=True)
    return found
