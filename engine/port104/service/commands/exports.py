"""`port104 exports`: what is delivered where, and to send again or not what was not."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from port104.service.commands import completion
from port104.service.commands.jobs import limit_option
from port104.service.commands.output import (
    output_option,
    print_document,
    print_list,
    print_rows,
    words,
)
from port104.service.commands.places import place_of, place_options
from port104.service.escaping import escape

if TYPE_CHECKING:
    from port104.service.commands.looking import ExportAct

_STATES = ("waiting", "failed", "partial", "cancelled", "delivered")
_CELLS = ("id", "state", "destination", "total", "delivered", "waiting", "failed", "cancelled", "registered")
COLUMNS = ("export", *_CELLS[1:], "held up by")
"""Of a list of exports."""


@click.group()
def exports() -> None:
    """Look at the delivery of results; send again what failed, or cancel it."""


def _filters(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that select exports."""
    command = click.option("--job", metavar="ID", help="Only the results of this job.")(command)
    command = click.option("--destination", metavar="NAME", help="Only what goes there.")(command)
    return click.option("--state", type=click.Choice(_STATES), help="Only exports in this state.")(command)


def filters_of(options: dict[str, Any]) -> dict[str, str]:
    """Take the options that select exports out of all that were given."""
    found = {name: options.pop(name) for name in ("state", "destination", "job")}
    return {name: value for name, value in found.items() if value is not None}


def row_of(export: Mapping[str, Any]) -> list[str]:
    """An export in a list."""
    return [*(words(export[key]) for key in _CELLS), _pause_of(export)]


def _pause_of(export: Mapping[str, Any]) -> str:
    pause = export["pause"]
    if pause is None:
        return ""
    return f"{pause['why']}" + (f"; tried again at {pause['due']}" if pause["due"] else "")


_LIST_EXAMPLES = """\b
Examples:
  port104 exports list --state waiting
  port104 exports list --destination PACS -o json
"""


@exports.command(name="list", epilog=_LIST_EXAMPLES)
@_filters
@limit_option
@output_option
@place_options
def list_(limit: int, output: str, **options: Any) -> None:
    """List exports, the latest first, and what holds up those that wait."""
    from port104.service.commands.reaching import reach_ledger  # noqa: PLC0415 - help does not need it

    filters = filters_of(options)
    with reach_ledger(place_of(options)) as ledger:
        found = ledger.listed("exports", filters, limit)
    print_list(found, output, COLUMNS, row_of)


_export = click.argument("export", shell_complete=completion.export_ids)


@exports.command(epilog="\b\nExample:\n  port104 exports show 2c9f51e07a3bd846\n")
@_export
@output_option
@place_options
def show(export: str, output: str, **options: Any) -> None:
    """Show EXPORT with what became of each of its results."""
    from port104.service.commands.reaching import reach_ledger  # noqa: PLC0415 - help does not need it

    with reach_ledger(place_of(options)) as ledger:
        detail = ledger.export(export)
    if output != "table":
        print_document(detail, output)
        return
    told = {key: value for key, value in detail["export"].items() if key != "pause"}
    told["held up by"] = _pause_of(detail["export"])
    print_rows(("key", "value"), [(key, words(value)) for key, value in told.items()])
    keys = ("file", "state", "attempt", "status", "ended", "due", "why")
    print_rows(keys, [[words(result[key]) for key in keys] for result in detail["results"]])


def _act(act: "ExportAct", done: str, export: str, output: str, options: dict[str, Any]) -> None:
    from port104.service.commands.reaching import reach_ledger  # noqa: PLC0415 - help does not need it

    with reach_ledger(place_of(options)) as ledger:
        detail = ledger.act_on_export(export, act)
    if output == "table":
        shown = detail["export"]
        counts = ", ".join(f"{shown[key]} {key}" for key in ("delivered", "waiting", "failed", "cancelled"))
        click.echo(escape(f"{done} export {shown['id']} to {shown['destination']}: {counts}"))
    else:
        print_document(detail, output)


@exports.command(epilog="\b\nExample:\n  port104 exports retry 2c9f51e07a3bd846\n")
@_export
@output_option
@place_options
def retry(export: str, output: str, **options: Any) -> None:
    """Send what of EXPORT failed or was cancelled, with attempts of its own."""
    _act("retry", "retried", export, output, options)


@exports.command(epilog="\b\nExample:\n  port104 exports cancel 2c9f51e07a3bd846\n")
@_export
@output_option
@place_options
def cancel(export: str, output: str, **options: Any) -> None:
    """Send nothing more of EXPORT; what is being sent at the moment may still arrive."""
    _act("cancel", "cancelled", export, output, options)


_WATCH_EXAMPLES = """\b
Examples:
  port104 exports watch
  port104 exports watch 2c9f51e07a3bd846 && echo delivered
"""


@exports.command(epilog=_WATCH_EXAMPLES)
@click.argument("export", required=False, shell_complete=completion.export_ids)
@_filters
@limit_option
@place_options
def watch(export: str | None, limit: int, **options: Any) -> None:
    """Show exports as they go on, once a second; in a pipe, a line for each change.

    Of one EXPORT until it has ended: exits with 0 when all of it was delivered, else 1.
    """
    from port104.service.commands.watching import Watched  # noqa: PLC0415 - help does not need it
    from port104.service.commands.watching import watch as watch_all  # noqa: PLC0415

    watched = Watched(
        "exports",
        COLUMNS,
        row_of,
        lambda ledger, one: ledger.export(one)["export"],
        ("waiting",),
        "delivered",
    )
    filters = filters_of(options)
    raise SystemExit(watch_all(place_of(options), watched, export, filters, limit))
