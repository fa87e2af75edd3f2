"""`port104 drain`: a running port104 takes nothing new, and one waits until it may be taken away."""

import math
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import click

from port104.service.commands.output import output_option, print_document, print_rows
from port104.service.commands.places import place_of, place_options

if TYPE_CHECKING:  # help does not need it
    from port104.service.commands.reaching import Place

_EXAMPLES = """\b
Examples:
  port104 drain && systemctl disable --now port104
  port104 drain --timeout 600
  port104 drain --undo
"""
_SECONDS = 1.0
_SOMETHING_REMAINS = 5

_REMAINS = {
    "associations": "associations that are established",
    "unwritten": "instances that are not in the ledger yet",
    "groups": "groups that are open",
    "runs": "runs that wait or are under way",
    "results": "results that are not delivered",
    "reports": "reports of storage commitment that peers are owed",
    "messages": "messages that the message broker does not have",
    "uploads": "instances that the object store does not have",
}
_LOST = {
    "failedRuns": "runs that failed (port104 jobs rerun)",
    "deadLetters": "results that could not be delivered (port104 exports retry)",
    "instances": "instances that are kept here alone",
}


@click.command(epilog=_EXAMPLES)
@click.option("--undo", is_flag=True, help="Let instances in again.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=math.inf,
    metavar="SECONDS",
    help="Wait no longer than this; 0: not at all. Default: until nothing remains.",
)
@output_option
@place_options
def drain(*, undo: bool, timeout: float, output: str, **options: Any) -> None:
    """Take no instance any more, and wait until what is here has come to its end.

    It stays so over restarts. Exits with 0 when the port104 and its storage folder may be taken away, 5 when
    something remains, 3 when none can be reached.
    """
    place = place_of(options)
    if undo:
        _ask(place, "DELETE")
        return
    found = _wait(place, time.monotonic() + timeout)
    if output == "table":
        print_rows(("", ""), [(words, str(found[key])) for key, words in (_REMAINS | _LOST).items()])
    else:
        print_document(found, output)
    if not found["empty"]:
        raise SystemExit(_SOMETHING_REMAINS)


def _wait(place: "Place", deadline: float) -> Mapping[str, Any]:
    """Begin, and look until nothing remains, or it is time. Says what is waited for."""
    found, said = _ask(place, "POST"), ""
    while not found["empty"] and time.monotonic() < deadline:
        words = ", ".join(_waited_for(found))
        if words != said:
            click.echo(f"waiting for {words}", err=True)
            said = words
        time.sleep(max(0.0, min(_SECONDS, deadline - time.monotonic())))
        found = _ask(place, "GET")
    return found


def _waited_for(found: Mapping[str, Any]) -> Iterator[str]:
    if found["counting"]:
        yield "stored files to be held against the ledger"
    for key in _REMAINS:
        if found[key]:
            yield f"{found[key]} {key if key != 'unwritten' else 'instances'}"


def _ask(place: "Place", method: Literal["GET", "POST", "DELETE"]) -> Mapping[str, Any]:
    """By a connection of its own each time, so that one that is started anew meanwhile is found again."""
    from port104.service.commands.reaching import reach_engine  # noqa: PLC0415 - help does not need it

    with reach_engine(place) as engine:
        return engine.drain(method)
