"""Stored files held against the ledger: what is there is written down, whatever became of who told of it.

After a kill the ledger lacks what was acknowledged last; a ledger that is new lacks everything. Reads folders
and files: call it from a worker thread.
"""

import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from port104.dispatch.origin import RuleOf, arrival_in
from port104.jobs.ledger.arrivals import Arrival
from port104.jobs.ledger.ledger import Ledger

# Of one transaction.
_BATCH = 1_000


def shelves(root: Path) -> list[Path]:
    """The folders of instances below the storage folder. Raises OSError."""
    return sorted(Path(entry.path) for entry in os.scandir(root / "instances"))


def recount(shelf: Path, ledger: Ledger, *, rule_of: RuleOf, replaces: Callable[[str], bool]) -> int:
    """Write down what of a folder of instances the ledger does not know; returns how many instances.

    A file that is known, but was written at another time, holds another instance only where its AE title
    `replaces` instances; else a backup was restored, and nothing is worked on again. Raises OSError,
    DatabaseError.
    """
    found = 0
    unknown = _unknown_on(shelf, ledger, rule_of, replaces)
    while batch := list(islice(unknown, _BATCH)):
        found += ledger.record(batch)
    return found


def _unknown_on(
    shelf: Path, ledger: Ledger, rule_of: RuleOf, replaces: Callable[[str], bool]
) -> Iterator[Arrival]:
    known = ledger.written_on(shelf.name)
    moved: dict[str, tuple[int, int]] = {}
    for name, written in _files_on(shelf):
        file = f"{shelf.name}/{name}"
        before = known.get(file)
        if before == written:
            continue
        arrival = arrival_in(shelf / name, written, rule_of)
        if arrival is None:
            continue
        if before is None or replaces(arrival.called_ae_title):
            yield arrival
        else:
            moved[file] = before, written
    ledger.rewritten(moved)


def _files_on(shelf: Path) -> Iterator[tuple[str, int]]:
    """Name and time of writing (ns since 1970) of each stored file in the folder."""
    for entry in os.scandir(shelf):
        if entry.name.endswith(".dcm"):
            try:
                yield entry.name, entry.stat(follow_symlinks=False).st_mtime_ns
            except FileNotFoundError:
                continue  # somebody took it away meanwhile
