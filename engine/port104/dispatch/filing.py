"""Results that somebody registers by hand: files of this machine, and uploads.

    <storage folder>/runs/<run>/<attempt>/registered/<digest of its bytes>.dcm

Rules that this room keeps:
- what is registered is what was looked at: a file is copied first, and its copy is looked at. Only what
  stands in the run's own output/ stays there, as what its pipeline left does;
- of the files of a call all are registered or none, and each that is wrong is named;
- the same bytes are registered once, for their digest is their name;
- a file is durable before the ledger knows it, and meanwhile no folder is removed (Desk.folders).
"""

import errno
import hashlib
import os
import stat
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import IO, NamedTuple

import trio

from port104.dispatch.desk import Desk
from port104.dispatch.payload import OUTPUT, RUNS
from port104.dispatch.results import results_for
from port104.errors import Port104Error, StorageError
from port104.jobs.ledger.looking.places import RunPlace
from port104.jobs.ledger.results import Result
from port104.storage.reading import identify
from port104.storage.syncing import sync

FOLDER = "registered"
MOST_FILES = 1000
"""Of one call."""
MOST_BYTES = 1 << 32
"""Of one file: the most that an element of known length may have (PS3.5 7.1.1)."""
_PIECE = 1 << 20

Source = Path | IO[bytes]
"""A file of this machine by its absolute path, or an open one that is read from its beginning."""


class NoFolderError(Port104Error):
    """The run has no folder here; the text says why, and what to do."""


class FaultyFilesError(Port104Error):
    """Files cannot be registered. `faults`: which of those that were given, from 0, and why."""

    def __init__(self, faults: Sequence[tuple[int, str]]) -> None:
        super().__init__("; ".join(f"file {index + 1}: {why}" for index, why in faults))
        self.faults = tuple(faults)


class Filing:
    """Puts files into the folders of their runs, and registers them. `root`, `node`: our storage folder.

    `registered`: is told that there are some.
    """

    def __init__(self, desk: Desk, root: Path, node: str, registered: Callable[[], None]) -> None:
        self._desk = desk
        self._root = root
        self._node = node
        self._registered = registered

    async def register(
        self, place: RunPlace, sources: Sequence[Source], destinations: Sequence[str]
    ) -> list[str]:
        """Register files as results of a run; returns where they are, below the storage folder.

        Once begun it is done to the end. Raises NoFolderError, FaultyFilesError, StorageError where the disk
        fails, and DatabaseError; when it raises, nothing is registered.
        """
        folder = self._folder_of(place)
        with trio.CancelScope(shield=True):
            async with self._desk.folders:
                put = partial(put_into, self._root, folder, sources, destinations)
                results = await trio.to_thread.run_sync(put)
                await self._desk.do(lambda ledger: ledger.register_results(place.run, results))
        self._registered()
        return list(dict.fromkeys(each.file for each in results))

    async def receive(self, parts: AsyncIterator[bytes]) -> IO[bytes]:
        """Write an upload to a file that has no name, and is gone once it is closed. Raises StorageError."""
        try:
            file = await trio.to_thread.run_sync(_nameless, self._root / RUNS)
            try:
                await _write(file, parts)
            except BaseException:
                file.close()
                raise
        except OSError as failure:
            raise _of_disk(failure, self._root) from failure
        return file

    def _folder_of(self, place: RunPlace) -> Path:
        if place.node is None or place.attempt == 0:
            raise NoFolderError(f"run {place.run} has not begun: wait until it has, and register then")
        if place.node != self._node:
            raise NoFolderError(
                f"run {place.run} was carried out on {place.host or 'an unknown machine'} (node"
                f" {place.node}): register its results with port104 there"
            )
        return self._root / RUNS / place.run / str(place.attempt)


def put_into(
    root: Path, folder: Path, sources: Sequence[Source], destinations: Sequence[str]
) -> list[Result]:
    """Put files into the folder of an attempt, durably; returns what they are.

    Blocks on the disk. Raises FaultyFilesError, and StorageError where the disk of the storage folder fails.
    """
    copies: list[Path] = []
    try:
        (root / RUNS).mkdir(exist_ok=True)
        try:
            found = _looked_at(root, folder, sources, copies)
            (folder / FOLDER).mkdir(parents=True, exist_ok=True)
            for each in found:
                if each.copy is not None:
                    each.copy.rename(each.path)
        finally:
            for copy in copies:
                copy.unlink(missing_ok=True)
        for path in {parent for each in found for parent in _between(each.path, root)}:
            sync(path)
    except OSError as failure:
        raise _of_disk(failure, folder) from failure
    return [
        result
        for each in found
        for result in results_for(each.path.relative_to(root), each.identity, destinations)
    ]


class _Found(NamedTuple):
    """A DICOM file: where it is to be, its SOP class and instance UID, and the copy that it is until then."""

    path: Path
    identity: tuple[str, str]
    copy: Path | None


def _looked_at(root: Path, folder: Path, sources: Sequence[Source], copies: list[Path]) -> list[_Found]:
    """Copy each file, and look at it; what was copied is in `copies`, also when it raises."""
    found, faults = [], []
    for index, source in enumerate(sources):
        try:
            path, copy = _left_in(folder / OUTPUT, source), None
            if path is None:
                copy = root / RUNS / f".registered{index}"
                copies.append(copy)
                path = folder / FOLDER / _copied(source, copy)
            else:
                sync(path)
            found.append(_Found(path, identify(copy or path), copy))
        except ValueError as fault:
            faults.append((index, str(fault)))
    if faults:
        raise FaultyFilesError(faults)
    return found


def _between(path: Path, root: Path) -> Iterator[Path]:
    """The folders that a file is in, up to that of all runs."""
    return takewhile(lambda parent: parent != root, path.parents)


def _left_in(output: Path, source: Source) -> Path | None:
    """The path of what the run itself left; None: it is something else. Raises ValueError."""
    if not isinstance(source, Path) or not source.is_absolute():
        return None
    real, where = Path(os.path.realpath(source.parent)), Path(os.path.realpath(output))
    if not real.is_relative_to(where):
        return None
    os.close(_opened(source))
    return output / real.relative_to(where) / source.name


def _copied(source: Source, copy: Path) -> str:
    """Copy a file, durably; returns the name that its bytes have. Raises ValueError, OSError."""
    digest, size = hashlib.blake2b(digest_size=16), 0
    with _reading(source) as reading, copy.open("wb") as writing:
        while piece := reading.read(_PIECE):
            size += len(piece)
            if size > MOST_BYTES:
                raise ValueError(f"it has more than {MOST_BYTES} bytes")
            digest.update(piece)
            writing.write(piece)
        writing.flush()
        os.fsync(writing.fileno())
    return f"{digest.hexdigest()}.dcm"


def _reading(source: Source) -> IO[bytes]:
    if isinstance(source, Path):
        return os.fdopen(_opened(source), "rb")
    source.seek(0)
    return os.fdopen(os.dup(source.fileno()), "rb")


def _opened(path: Path) -> int:
    """Open a file that is one, and no link. Raises ValueError, which says what is wrong."""
    if not path.is_absolute():
        raise ValueError("its path must be absolute: it is opened by port104, on its own machine")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as failure:
        if failure.errno == errno.ELOOP:
            raise ValueError("it is a link: name the file itself") from failure
        raise ValueError(
            f"it cannot be read: {failure.strerror}; it must be on port104's machine, and its user able to"
            " read it; else upload it"
        ) from failure
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError("it is no file, but a folder or a device")
    return descriptor


def _nameless(folder: Path) -> IO[bytes]:
    folder.mkdir(exist_ok=True)
    return tempfile.TemporaryFile(dir=folder)


async def _write(file: IO[bytes], parts: AsyncIterator[bytes]) -> None:
    """Write what comes, in pieces that are worth a thread each."""
    waiting = bytearray()
    async for part in parts:
        waiting += part
        if len(waiting) >= _PIECE:
            await trio.to_thread.run_sync(file.write, bytes(waiting))
            waiting.clear()
    await trio.to_thread.run_sync(file.write, bytes(waiting))
    await trio.to_thread.run_sync(file.flush)


def _of_disk(failure: OSError, where: Path) -> StorageError:
    return StorageError(
        f"the results cannot be kept: {failure.strerror or failure} ({failure.filename or where}); check the"
        " disk of the storage folder"
    )
