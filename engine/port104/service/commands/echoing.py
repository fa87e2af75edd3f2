"""`--echo`: a destination is asked at once, and it is said which of what was given of it is wrong."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from port104.errors import ConnectError, Port104Error, RejectedError, Suspect
from port104.service.commands.faults import CommandError

if TYPE_CHECKING:
    from port104.service.commands.keeping import Document

_UNREACHED = {Suspect.ADDRESS, Suspect.PORT, Suspect.TLS}
_REJECTED = {Suspect.CALLED_AE_TITLE, Suspect.CALLING_AE_TITLE}


def echo_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add the option."""
    text = "Ask it by C-ECHO, a web server by OPTIONS, and say what is wrong where it does not answer."
    return click.option("--echo", is_flag=True, help=text)(command)


def check(outcome: "Document") -> None:
    """Raise what was wrong: as `port104 echo` does, and with its exit codes."""
    if not outcome["answered"]:
        text = f'"{outcome["destination"]}" does not answer: {outcome["reason"]}'
        raise _failure(text, outcome["wrong"])


def say(outcome: "Document", destination: "Document") -> None:
    """Say how quickly it answered."""
    opened, answered = (outcome[key] * 1000 for key in ("associationSeconds", "echoSeconds"))
    steps = ("connection", "OPTIONS") if destination.get("url") else ("association", "C-ECHO")
    click.echo(f"it answers: {steps[0]} {opened:.1f} ms, {steps[1]} {answered:.1f} ms")


def _failure(text: str, wrong: str) -> Port104Error:
    if wrong in _UNREACHED:
        return ConnectError(text)
    return RejectedError(text, transient=False) if wrong in _REJECTED else CommandError(text)
