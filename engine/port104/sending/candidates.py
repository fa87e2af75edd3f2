"""What of the files at hand can be sent: looked at once before, as contexts are proposed for all of them.

C looks at many files in one call (native/looking.h); here it is judged what it does not understand at once.
"""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import msgspec

from port104 import native
from port104.sending.instance_file import InstanceFile
from port104.wire.proposal import Syntaxes

# Holds any file's File Meta Information.
_HEAD_BYTES = 64 * 1024
# Looked at in one call, and so many calls at a time: a share answers each after a while.
_AT_ONCE = 256
_CALLS = 4


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """A file that can be sent. `size`: bytes of its data set, which begins at `data_set_at`.

    `modified`: in nanoseconds of the epoch.
    """

    path: str
    syntaxes: Syntaxes
    sop_instance_uid: str
    size: int
    data_set_at: int = 0
    modified: int = 0


class Unsendable(msgspec.Struct, frozen=True):
    """A file that cannot, and why, in words that quote nothing of it."""

    path: str
    why: str


def look_at(paths: Iterable[str | os.PathLike[str]]) -> Iterator[Candidate | Unsendable]:
    """Look at each file. Blocks on the disk; raises nothing."""
    every = [os.fspath(path) for path in paths]
    known: dict[tuple[bytes, bytes], Syntaxes] = {}
    calls = [every[at : at + _AT_ONCE] for at in range(0, len(every), _AT_ONCE)]
    with ThreadPoolExecutor(_CALLS) as threads:
        for path, found in zip(every, chain.from_iterable(threads.map(native.look, calls)), strict=True):
            if found.plain:
                pair = found.sop_class_uid, found.transfer_syntax_uid
                syntaxes = known.get(pair) or known.setdefault(pair, Syntaxes(*map(bytes.decode, pair)))
                yield Candidate(
                    path,
                    syntaxes,
                    found.sop_instance_uid.decode(),
                    found.size - found.data_set_at,
                    found.data_set_at,
                    found.modified,
                )
            else:
                yield _judge(path)


def _judge(path: str) -> Candidate | Unsendable:
    """Look at a file at leisure."""
    try:
        file = InstanceFile(path, _HEAD_BYTES)
    except ValueError as fault:
        return Unsendable(path, str(fault))
    except OSError as failure:
        return Unsendable(path, f"it cannot be read: {failure.strerror}")
    file.close()
    return Candidate(path, file.syntaxes, file.sop_instance_uid, file.length, file.data_set_at, file.modified)
