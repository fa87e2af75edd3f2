"""What is measured against what: the order of a run, as data.

A `Trial` is one receiver in one cell on one file system. Trials that are compared form a group; in each round
all of a group run one after the other, in an order that rotates (A B C, B C A, ...), and are compared within
the round.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import cells
from cells import Cell
from receivers import Receiver, dcmtk, port104

RAM_DISK, DISK = "RAM disk", "disk"
# A receiver that holds every instance under way, a few times over, is not sent more than this at once.
HELD_AT_ONCE = 2 * cells.GIB
# A slow one would take half a minute for more.
SLOW_AT_ONCE = cells.GIB // 2


class Place(NamedTuple):
    """A folder to store in, and what it stands on."""

    name: str  # RAM_DISK or DISK
    file_system: str
    folder: Path


class Trial(NamedTuple):
    """Measured once a round."""

    run: str  # grid, growth, idle, window or tls
    place: Place
    cell: Cell
    receiver: Receiver
    label: str  # who it is in tables: the receiver's name, and what differs
    window: int = 1  # operations outstanding that the sender proposes
    idle: int = 0  # associations held open beside it

    @property
    def instances(self) -> int:
        """Over each association at most."""
        room = cells.RAM_DISK_BYTES if self.place.name == RAM_DISK else cells.DISK_BYTES
        return self.cell.most_instances(room)

    @property
    def warm_up(self) -> Cell:
        """What is sent before."""
        return self.cell.warm_up(slow=self.receiver.slow)

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What tells it from all others."""
        return self.run, self.place.name, self.cell.name, self.label


Group = list[Trial]


def in_turn(group: Group, number: int) -> Group:
    """The order of round `number`."""
    turn = number % len(group)
    return group[turn:] + group[:turn]


def grid(places: Sequence[Place], what: Iterable[Cell], receivers: Sequence[Receiver]) -> list[Group]:
    """Every receiver in every cell; on a disk only the references."""
    return [
        [Trial("grid", place, cell, one, one.name) for one in receivers if _takes_part(one, cell, place)]
        for cell in what
        for place in places
        if place.name == RAM_DISK or _belongs_on_disk(cell)
    ]


def _belongs_on_disk(cell: Cell) -> bool:
    return cell.bytes_at_once <= cells.DISK_BYTES and cell.associations != 8  # to end within the hour


def _takes_part(receiver: Receiver, cell: Cell, place: Place) -> bool:
    return (
        receiver.fewest <= cell.associations <= receiver.most
        and (receiver.streams or cell.bytes_at_once <= HELD_AT_ONCE)
        and (not receiver.slow or cell.bytes_at_once <= SLOW_AT_ONCE)
        and (receiver.reference or place.name == RAM_DISK)
    )


def growth(place: Place, receivers: Iterable[Receiver]) -> list[Group]:
    """What one to a thousand associations cost."""
    beside = [one for one in receivers if one.name in {"port104 (os)", "DCMTK storescp"}]
    return [[Trial("growth", place, cell, one, one.name) for one in beside] for cell in cells.GROWTH]


def idle(place: Place) -> list[Group]:
    """A few busy associations, alone and beside a thousand idle ones."""
    busy = port104("os")
    return [
        [
            Trial("idle", place, cell, busy, "alone"),
            Trial("idle", place, cell, busy, "beside idle", idle=cells.IDLE_ASSOCIATIONS),
        ]
        for cell in cells.BUSY
    ]


def window(places: Iterable[Place]) -> list[Group]:
    """One association, with and without operations outstanding; the receiver is the same."""
    receiver = port104("sync", window=cells.WINDOW)
    return [
        [
            Trial("window", place, cells.WINDOW_CELL, receiver, f"window {size}", window=size)
            for size in (1, cells.WINDOW)
        ]
        for place in places
    ]


def tls(place: Place) -> list[Group]:
    """Over TLS, from the same sender, with the same protocol version and cipher suite."""
    beside = [dcmtk(secure=True), port104("os", secure=True)]
    return [[Trial("tls", place, cell, one, one.name) for one in beside] for cell in cells.QUICK]
