"""Stored files held against the ledger: what is there is written down, whatever became of who told of it.

After a kill the ledger lacks what was acknowledged last; a ledger that is new lacks everything. Reads folders
and files: call it from a worker thread.
"""

import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from port104.dispatch.origin import RuleOf, arrival_in
from port104.jobs.ledger.arrivals import Arrival
from port104.jobs.ledger.ledger import Ledger

# Of one transaction.
_BATCH = 1_000


class Counted(NamedTuple):
    """How many instances were found that the ledger did not know, and how many files could not be read."""

    found: int
    unreadable: int


def shelves(root: Path) -> list[Path]:
    """The folders of instances below the storage folder. Raises OSError."""
    return sorted(Path(entry.path) for entry in os.scandir(root / "instances"))


def recount(shelf: Path, ledger: Ledger, *, rule_of: RuleOf, replaces: Callable[[str], bool]) -> Counted:
    """Write down what of a folder of instances the ledger does not know.

    A file that is known, but was written at another time, holds another instance only where its AE title
    `replaces` instances; else a backup was restored, and nothing is worked on again. Raises OSError,
    DatabaseError.
    """
    found = unreadable = 0
    unknown = iter(ledger.unknown(list(_files_on(shelf))))
    while batch := list(islice(unknown, _BATCH)):
        arrivals = []
        for written, file in batch:
            try:
                arrival = arrival_in(shelf.parent / file, written, rule_of)
            except OSError:
                unreadable += 1
            else:
                arrivals += [] if arrival is None or _is_moved(arrival, ledger, replaces) else [arrival]
        found += ledger.record(arrivals)
    return Counted(found, unreadable)


def _is_moved(arrival: Arrival, ledger: Ledger, replaces: Callable[[str], bool]) -> bool:
    """Whether it is known, but for the time of its writing; then it is known by this one."""
    before = None if replaces(arrival.provenance.called_ae_title) else ledger.written_before(arrival)
    if before is None:
        return False
    ledger.rewritten(arrival.file, before, arrival.written)
    return True


def _files_on(shelf: Path) -> Iterator[tuple[int, str]]:
    """Each stored file in the folder: when it was written (ns since 1970), and its path from there above."""
    for entry in os.scandir(shelf):
        if entry.name.endswith(".dcm"):
            try:
                yield entry.stat(follow_symlinks=False).st_mtime_ns, f"{shelf.name}/{entry.name}"
            except FileNotFoundError:
                continue  # somebody took it away meanwhile
