"""`port104 status`: how a running port104 is."""

from collections.abc import Iterator, Mapping
from typing import Any

import click

from port104.service.commands.output import output_option, print_document, print_rows, words
from port104.service.commands.places import place_of, place_options

_EXAMPLES = """\b
Examples:
  port104 status
  port104 status --url http://port104.example:5000 -o json
"""


@click.command(epilog=_EXAMPLES)
@output_option
@place_options
def status(output: str, **options: Any) -> None:
    """Show how a running port104 is.

    Exits with 0 when it is healthy, 1 when it is not, 3 when none can be reached.
    """
    from port104.service.commands.reaching import reach_engine  # noqa: PLC0415 - help does not need it

    with reach_engine(place_of(options)) as engine:
        document = engine.status()
    if output == "table":
        print_rows(("", ""), [*_rows(document)])
    else:
        print_document(document, output)
    if document.get("status") != "Healthy":
        raise SystemExit(1)


def _rows(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from _rows(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", words(value)
