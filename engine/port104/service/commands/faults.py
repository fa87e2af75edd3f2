"""What ends a command, besides what the rooms below raise. Every text says what to do."""

from collections.abc import Iterable
from typing import ClassVar, NamedTuple

from port104.errors import Port104Error


class CommandError(Port104Error):
    """The command was understood, and failed."""

    exit_code: ClassVar[int] = 1


class OutOfReachError(CommandError):
    """There is nothing to work with: no engine that answers, and no store in its place."""

    exit_code: ClassVar[int] = 3


class FieldFault(NamedTuple):
    """What is wrong with a key of a document; `field` is its path."""

    field: str
    reason: str


class RefusedError(CommandError):
    """What was asked for cannot be done. `faults`: what is wrong in which field, where that is known."""

    def __init__(self, message: str, faults: Iterable[FieldFault] = ()) -> None:
        super().__init__(message)
        self.faults = tuple(faults)


class WrongValuesError(RefusedError):
    """Values are wrong, each of them with its reason."""

    exit_code: ClassVar[int] = 2
