"""The audit trail as a file: one syslog message a line, synced before it counts as delivered.

The file is begun anew each day (UTC) and when it is full. Finished files are never deleted: how long an
audit trail is kept is the site's duty, not port104's guess.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path

import trio

from port104.service.rotation import FinishedFiles, day_of
from port104.storage.syncing import sync

MAXIMUM_BYTES = 100 * 1024 * 1024
"""Still opened by an editor, and a fortnight of a busy department."""
_MODE = 0o640  # a log shipper may read by its group


class AuditFile:
    """A sink that appends to `path`. Raises OSError when the file cannot be opened."""

    def __init__(self, path: Path, *, maximum_bytes: int = MAXIMUM_BYTES) -> None:
        self.name = f"file {path}"
        self.batch = 1000
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path.absolute()
        self._maximum_bytes = maximum_bytes
        self._finished = FinishedFiles(self._path)
        self._descriptor = -1
        self._size = 0
        self._day = ""
        self._open()

    async def send(self, lines: Sequence[bytes]) -> None:
        """Append the lines and sync them."""
        await trio.to_thread.run_sync(self.append, lines, time.time())

    async def close(self) -> None:
        """Close the file."""
        self._close()

    def append(self, lines: Sequence[bytes], now: float) -> None:
        """Append the lines at Unix time `now`, all or none. Blocks on the disk; raises OSError."""
        data = b"".join(b"%b\n" % line for line in lines)
        if self._descriptor < 0:
            self._open()
        today = day_of(now)
        if self._size and (today != self._day or self._size + len(data) > self._maximum_bytes):
            self._begin_anew()
        self._day = today
        try:
            _write_all(self._descriptor, data)
            os.fdatasync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self._size)  # half a line would spoil the next one
            raise
        self._size += len(data)

    def _open(self) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, _MODE)
        sync(self._path.parent)  # the file's name too
        found = os.fstat(self._descriptor)
        self._size, self._day = found.st_size, day_of(found.st_mtime)
        if self._size and os.pread(self._descriptor, 1, self._size - 1) != b"\n":
            _write_all(self._descriptor, b"\n")  # an earlier run was killed in the middle of a line
            self._size += 1

    def _begin_anew(self) -> None:
        self._close()
        self._path.rename(self._finished.next_name(self._day))
        self._open()

    def _close(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    written = 0
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])
