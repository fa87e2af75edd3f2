"""Whether instances are held, and safe: what storage commitment answers by (PS3.4 J.3).

Rules that this room keeps:
- the files are asked, and nothing else: the ledger is filled from them, and may be behind;
- an instance is held once its file and the name of it are synced, here, whatever `storage.durability` says;
- a file whose sync failed is not held any more: the system tells of lost bytes once (fsync(2)).

Everything here waits for the disk: call it from a worker thread, one at a time.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from port104.storage.reading import read_meta
from port104.storage.store import instance_path
from port104.wire.command import Status
from port104.wire.commitment import Failure, Reference

_SOP_CLASS_UID = 0x00020002  # Media Storage SOP Class UID (PS3.10 7.1)


class Safekeeping:
    """The instances below the storage folder `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lost: set[Path] = set()

    def failures(self, called_ae_title: str, references: Iterable[Reference]) -> list[Failure]:
        """Which of the instances are not held under an AE title, and why, as PS3.3 C.14.1.1 has it."""
        found = []
        shelves: dict[Path, Status | None] = {}
        for reference in references:
            reason = self._reason(called_ae_title, reference, shelves)
            if reason is not None:
                found.append(Failure(reference, reason))
        return found

    def _reason(
        self, called_ae_title: str, reference: Reference, shelves: dict[Path, Status | None]
    ) -> Status | None:
        copies = list(self._copies(called_ae_title, reference.sop_instance_uid))
        if not copies:
            return Status.NO_SUCH_SOP_INSTANCE
        try:
            if not any(_sop_class_of(copy) == reference.sop_class_uid for copy in copies):
                return Status.CLASS_INSTANCE_CONFLICT
        except FileNotFoundError:
            return Status.NO_SUCH_SOP_INSTANCE  # it went meanwhile
        except OSError:
            return Status.PROCESSING_FAILURE
        shelf = copies[0].parent
        if shelf not in shelves:
            shelves[shelf] = self._sync(shelf)
        return next(filter(None, map(self._sync, copies)), shelves[shelf])

    def _copies(self, called_ae_title: str, sop_instance_uid: str) -> Iterator[Path]:
        """The files of a UID: all that came under it, of which only the peer knows which one it means."""
        copy = 0
        while (path := instance_path(self._root, called_ae_title, sop_instance_uid, copy)).exists():
            yield path
            copy += 1

    def _sync(self, path: Path) -> Status | None:
        """Sync a file, or the names in a folder; returns why that cannot be."""
        if path in self._lost:
            return Status.PROCESSING_FAILURE
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return Status.NO_SUCH_SOP_INSTANCE
        except OSError:
            return Status.PROCESSING_FAILURE
        try:
            os.fsync(descriptor)
        except OSError:
            self._lost.add(path)
            return Status.PROCESSING_FAILURE
        finally:
            with contextlib.suppress(OSError):
                os.close(descriptor)
        return None


def _sop_class_of(path: Path) -> str:
    return read_meta(path).get(_SOP_CLASS_UID, b"").decode("latin-1").rstrip("\0 ")
