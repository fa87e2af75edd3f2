"""How logs of runs are printed: as they are into a pipe, and without control characters on a terminal."""

from collections.abc import Iterable, Iterator

import click

from port104.errors import Port104Error
from port104.service.escaping import escape


def print_log(parts: Iterable[bytes], *, safely: bool, alone: bool) -> None:
    """Print a log. `safely`: for a terminal, to which a pipeline must say nothing else.

    `alone`: that there is none is a failure; else it is said, and others follow.
    """
    try:
        if safely:
            for line in _lines(parts):
                click.echo(escape(line.decode("utf-8", "replace").expandtabs()))
            return
        for part in parts:
            click.echo(part, nl=False)
    except Port104Error as none:
        if alone:
            raise
        click.echo(escape(str(none)), err=True)


def _lines(parts: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for part in parts:
        *whole, rest = (rest + part).split(b"\n")
        yield from whole
    if rest:
        yield rest
