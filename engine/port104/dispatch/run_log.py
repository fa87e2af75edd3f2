"""The log of a run: what its pipeline wrote, in the folder of the attempt (payload.py).

A pipeline writes there as it likes, as the user that port104 runs as: no link is followed out of its folder.
Blocks on the disk: call it from a worker thread.
"""

import os
import stat
from pathlib import Path

import msgspec

from port104.dispatch.node import is_folder_of
from port104.dispatch.payload import RUNS
from port104.errors import Port104Error
from port104.jobs.ledger.looking.places import RunPlace

LOG = "log"
MOST_BYTES = 1024 * 1024
"""Read at a time."""


class NoLogError(Port104Error):
    """There is no log to be read; the text says why, and what to do."""


class LogPart(msgspec.Struct, frozen=True):
    """A part of a log. `total`: bytes of all of it, so far."""

    data: bytes
    total: int


def read_log(root: Path, node: str, place: RunPlace, attempt: int | None, offset: int, most: int) -> LogPart:
    """Read at most `most` bytes of the log of an attempt, from `offset` on; None: of the latest attempt.

    `root`, `node`: our storage folder and its name. Raises NoLogError.
    """
    number = place.attempt if attempt is None else attempt
    if place.node is None or number == 0:
        raise NoLogError(f"run {place.run} has not begun: there is no log yet")
    folder = root if place.node == node else Path(place.root)
    if place.node != node and not is_folder_of(folder, place.node):
        raise NoLogError(
            f"run {place.run} was carried out on {place.host or 'an unknown machine'} (node {place.node}),"
            " whose storage folder is not reachable here: ask port104 there"
        )
    file = folder / RUNS / place.run / str(number) / LOG
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as failure:
        raise NoLogError(_why_none(place, number, failure)) from failure
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise NoLogError(f"the log of run {place.run} is no file: its pipeline put something else there")
        return LogPart(os.pread(descriptor, min(most, MOST_BYTES), offset), about.st_size)
    finally:
        os.close(descriptor)


def _why_none(place: RunPlace, number: int, failure: OSError) -> str:
    if isinstance(failure, FileNotFoundError):
        return (
            f"attempt {number} of run {place.run} has no log: its pipeline writes none, or its folder was"
            " removed"
        )
    return f"the log of attempt {number} of run {place.run} cannot be read: {failure.strerror}"
