"""What an acceptor tells on an association that we requested: reports of storage commitment (PS3.4 J.3.3).

One at a time is kept, and bounded: a peer may have no more outstanding (PS3.7 D.3.3.3).
"""

from typing import NamedTuple

from port104.uids import STORAGE_COMMITMENT
from port104.wire.command import Command, CommandField
from port104.wire.commitment import MOST_BYTES
from port104.wire.events import CommandReceived


class Heard(NamedTuple):
    """An N-EVENT-REPORT-RQ that came whole. `data`: what it says; None: more than may be."""

    context_id: int
    command: Command
    data: bytes | None


class Hearing:
    """Collects reports. `heard`: the one that is to be answered; whoever does so takes it away."""

    def __init__(self) -> None:
        self.heard: Heard | None = None
        self._coming: tuple[int, Command] | None = None
        self._data = bytearray()

    def begin(self, event: CommandReceived, abstract_syntax: str) -> bool:
        """Take a request; False: it is none that is heard here."""
        command = event.command
        is_report = command.field == CommandField.N_EVENT_REPORT_RQ and command.has_data_set
        if not is_report or abstract_syntax != STORAGE_COMMITMENT or self.heard is not None:
            return False
        self._coming = event.context_id, command
        return True

    def take(self, data: bytes, *, last: bool) -> bool:
        """Take the next bytes of a data set; False: they are of no report."""
        if self._coming is None:
            return False
        if len(self._data) <= MOST_BYTES:
            self._data += data
        if last:
            whole = bytes(self._data) if len(self._data) <= MOST_BYTES else None
            self.heard = Heard(*self._coming, whole)
            self._coming = None
            self._data.clear()
        return True
