"""How commands print: tables for people, tab-separated values for pipes, JSON and YAML for programs."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from port104.service.escaping import escape

if TYPE_CHECKING:
    from rich.table import Table

Rows = Sequence[Sequence[str]]


def is_terminal() -> bool:
    """Whether people read what is printed."""
    return sys.stdout.isatty()


def output_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add the option that chooses the form of the output."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["table", "json", "yaml"]),
        default="table",
        help="Form of the output; default: a table on a terminal, else values between tabs.",
    )(command)


def print_document(document: Any, output: str) -> None:
    """Print a document as `json` or `yaml`."""
    if output == "yaml":
        import yaml  # noqa: PLC0415 - only who asks for it pays for it

        click.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), nl=False)
        return
    import json  # noqa: PLC0415 - help does not need it

    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def print_list(
    items: Sequence[Mapping[str, Any]],
    output: str,
    titles: Sequence[str],
    row_of: Callable[[Mapping[str, Any]], Sequence[str]],
) -> None:
    """Print entries of one kind: a row for each, or all of them as a document."""
    if output == "table":
        print_rows(titles, [row_of(each) for each in items])
    else:
        print_document(items, output)


def print_rows(titles: Sequence[str], rows: Rows) -> None:
    """Print a table on a terminal, without columns that hold nothing; else every value, between tabs."""
    rows = [[escape(cell) for cell in row] for row in rows]
    if not is_terminal():
        for row in rows:
            click.echo("\t".join(row))
        return
    _print_table(titles, rows)


def _print_table(titles: Sequence[str], rows: Rows) -> None:
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it

    Console().print(table_of(titles, rows))


def table_of(titles: Sequence[str], rows: Rows) -> "Table":
    """Make a table, without columns that hold nothing."""
    from rich.table import Table  # noqa: PLC0415 - only a terminal pays for it
    from rich.text import Text  # noqa: PLC0415

    filled = [index for index in range(len(titles)) if not rows or any(row[index] for row in rows)]
    table = Table(show_header=any(titles))
    for index in filled:
        table.add_column(titles[index], overflow="fold")
    for row in rows:
        table.add_row(*(Text(row[index]) for index in filled))
    return table


def words(value: Any) -> str:
    """Write one value of a document for a cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return " ".join(f"{key}={words(each)}" for key, each in value.items())
    if isinstance(value, list):
        return _joined(map(words, value))
    return str(value)


def _joined(texts: Iterable[str]) -> str:
    return ", ".join(texts)
