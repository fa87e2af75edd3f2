"""Memory that is warm when a receiver needs it.

A virtual machine gives pages that were free for some seconds back to its host, and the next touch of each
costs tens of microseconds: a RAM disk then takes 0.9 GB/s instead of 3, and whoever comes after a slow
receiver looks slow. So a file on the RAM disk holds pages that were touched, lets go of as many as a load is
about to need just before it begins, and takes them back when the load's files are deleted.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import psutil

from cells import GIB, MIB

LARGEST = 7 * GIB  # 200 times 32 MiB and their warm-up


class Ballast:
    """The file. Its size is a third of the memory at most, so that receivers have room."""

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size
        self._block = bytes(MIB)

    def fill(self) -> None:
        """Take what is missing, where possible the pages that were freed last."""
        with self._path.open("ab", buffering=0) as file:
            while file.tell() < self._size:
                file.write(self._block)

    def release(self, size: float) -> None:
        """Let go of `size` bytes, as far as there are."""
        os.truncate(self._path, max(0, self._path.stat().st_size - int(size)))


@contextlib.contextmanager
def ballast(folder: Path, *, on_ram_disk: bool) -> Iterator[Ballast]:
    """Held in `folder` while a run lasts. Where that is no RAM disk, it is empty and stays so."""
    path = folder / f"port104-bench-{os.getpid()}.ballast"
    size = min(LARGEST, psutil.virtual_memory().total // 3) if on_ram_disk else 0
    try:
        held = Ballast(path, size)
        held.fill()
        yield held
    finally:
        path.unlink(missing_ok=True)
