"""What of the files at hand can be sent: looked at once before, as contexts are proposed for all of them."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from port104.sending.instance_file import InstanceFile
from port104.wire.proposal import Syntaxes

# Holds the File Meta Information of most files, and that of any file.
_FIRST_BYTES, _HEAD_BYTES = 4 * 1024, 64 * 1024


class Candidate(msgspec.Struct, frozen=True):
    """A file that can be sent. `size`: bytes of its data set, which begins at `data_set_at`.

    `modified`: in nanoseconds of the epoch.
    """

    path: Path
    syntaxes: Syntaxes
    sop_instance_uid: str
    size: int
    data_set_at: int = 0
    modified: int = 0


class Unsendable(msgspec.Struct, frozen=True):
    """A file that cannot, and why, in words that quote nothing of it."""

    path: Path
    why: str


def look_at(paths: Iterable[Path]) -> Iterator[Candidate | Unsendable]:
    """Look at each file. Blocks on the disk; raises nothing."""
    for path in paths:
        try:
            file = _opened(path)
        except ValueError as fault:
            yield Unsendable(path, str(fault))
        except OSError as failure:
            yield Unsendable(path, f"it cannot be read: {failure.strerror}")
        else:
            file.close()
            yield Candidate(
                path, file.syntaxes, file.sop_instance_uid, file.length, file.data_set_at, file.modified
            )


def _opened(path: Path) -> InstanceFile:
    """Open a file. Raises as InstanceFile does."""
    try:
        file = InstanceFile(path, _FIRST_BYTES)
    except ValueError:  # it may only be cut off
        return InstanceFile(path, _HEAD_BYTES)
    if file.data_set_at < _FIRST_BYTES - 1:  # the group of the element behind it was seen
        return file
    file.close()
    return InstanceFile(path, _HEAD_BYTES)
