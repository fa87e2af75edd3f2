"""The storage folder: makes intakes on the native spool and hands completions to who waits for them.

Rules that this room keeps:
- nothing here touches a file on the event loop: the spool's threads do, and what blocks (opening,
  closing, counting) runs in a worker thread;
- a file's name is a hash of called AE title and SOP instance UID, never a peer's string: two AE titles
  keep separate copies, and one instance is found again without an index;
- every instance that was received to its end ends in exactly one of STORED and FAILED, and every lent
  link in RETURNED. The callback of the intake is given the last two, and STORED where the response is not
  sent yet; `on_stored` is given all that are STORED, together, before a callback hears of what came later.
"""

import os
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from port104 import native
from port104.completions import Completion, awaited_in
from port104.errors import FolderInUseError
from port104.storage.folder import prepare_folder
from port104.storage.part10 import encode_origin, is_little_endian_stream
from port104.storage.stored import StoredInstance, StoredInstances, file_below
from port104.uids import IMPLICIT_VR_LITTLE_ENDIAN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# The elements that routing and grouping ask for (PS3.3 C.7, C.12), in ascending order.
ROUTING_TAGS = (
    0x00080016,  # SOP Class UID
    0x00080018,  # SOP Instance UID
    0x00080050,  # Accession Number
    0x00080060,  # Modality
    0x00100020,  # Patient ID
    0x0020000D,  # Study Instance UID
    0x0020000E,  # Series Instance UID
    0x00201208,  # Number of Study Related Instances
    0x00201209,  # Number of Series Related Instances
)

# A command that changes the registry owns the folder for some hundredths of a second.
_PATIENCE_SECONDS = 1.0
_LOOK_SECONDS = 0.02
_INSTANCES = "instances"
# What the thread is called that opens the spool, and those that it starts: in top and ps.
_THREADS = "port104 I/O"

Callback = Callable[[Completion], None]


class InstanceStore:
    """Durable instances under one folder. Made by `open_store`."""

    def __init__(self, root: Path, spool: native.Spool) -> None:
        self.root = root
        self._instances = root / _INSTANCES
        self._spool = spool
        self._callbacks: dict[int, Callback] = {}  # by ID of the intake
        self.on_stored: Callable[[Collection[StoredInstance]], None] | None = None
        self._last_id = 0

    def intake(
        self,
        link: native.Link,
        contexts: Iterable[tuple[int, str, str]],
        *,
        calling_ae_title: str,
        called_ae_title: str,
        window: int,
        peer_maximum_length: int,
        maximum_size: int,
        overwrite: bool,
        callback: Callback,
    ) -> native.Intake:
        """Prepare to take instances from an established association on `link`.

        `contexts`: presentation context ID, SOP class UID and transfer syntax UID of what is taken.
        `window`: instances that the peer may have sent without an answer. `maximum_size`: bytes of the
        longest data set that is kept, 0 = any. `overwrite`: other bytes under a known SOP instance UID
        replace the file instead of standing beside it. Give it to `release` at the end.
        """
        self._last_id += 1
        intake = self._spool.intake(
            link,
            self._last_id,
            window=window,
            peer_maximum_length=peer_maximum_length,
            maximum_size=maximum_size,
            called_ae_title=called_ae_title.encode("latin-1"),
            origin=encode_origin(calling_ae_title=calling_ae_title, called_ae_title=called_ae_title),
        )
        for context_id, sop_class_uid, transfer_syntax_uid in contexts:
            flags = _pick_flag(transfer_syntax_uid) | (native.OVERWRITE if overwrite else 0)
            intake.allow(context_id, sop_class_uid, transfer_syntax_uid, flags)
        self._callbacks[intake.id] = callback
        return intake

    def release(self, intake: native.Intake) -> None:
        """Free an intake whose link was returned for the last time."""
        del self._callbacks[intake.id]
        intake.close()

    def path_of(self, called_ae_title: str, sop_instance_uid: str, copy: int = 0) -> Path:
        """Where the instance stands; `copy` as in the completion that stored it."""
        return instance_path(self.root, called_ae_title, sop_instance_uid, copy)

    def counts(self) -> native.SpoolCounts:
        """Read the spool's counters."""
        return self._spool.counts()

    def refuse(self, *, on: bool) -> None:
        """Take no further instance while `on`: each is left to its association, which answers for it."""
        self._spool.refuse(on=on)

    async def count_instances(self) -> int:
        """Count the stored files, in a worker thread: a million of them take seconds."""
        return await trio.to_thread.run_sync(_count_files, self.root / "instances")

    async def deliver_completions(self) -> None:
        """Hand every completion to its callback; runs until cancelled."""
        while True:
            await trio.lowlevel.wait_readable(self._spool.event_fd)
            self.catch_up()

    def catch_up(self) -> None:
        """Deliver the completions that wait, now."""
        for taken in self._spool.completions():
            if self.on_stored is not None and taken.stored:
                self.on_stored(StoredInstances(self._instances, taken))
            if taken.awaited:
                for completion in awaited_in(taken.records):
                    self._callbacks[completion.intake](completion)


def instance_path(root: Path, called_ae_title: str, sop_instance_uid: str, copy: int = 0) -> Path:
    """Where below `root` an instance stands; copies from 1 on hold other bytes under the same UID."""
    return root / _INSTANCES / file_below(native.file_name(called_ae_title, sop_instance_uid), copy)


@asynccontextmanager
async def open_store(
    root: Path, *, sync: bool, threads: int, journal: int = 0
) -> "AsyncIterator[InstanceStore]":
    """Open the storage folder, seeing to its part files, and deliver completions while the block runs.

    `sync`: instances are synced before they are answered (storage.durability). `journal`: bytes of the one
    that small instances are synced in. Leave the block only
    when no store is under way. Raises StorageError when the folder cannot be used.
    """
    spool = await trio.to_thread.run_sync(
        partial(_open, root, sync=sync, threads=threads, journal=journal),
        abandon_on_cancel=False,
        thread_name=_THREADS,
    )
    try:
        async with trio.open_nursery() as nursery:
            store = InstanceStore(root, spool)
            nursery.start_soon(store.deliver_completions)
            yield store
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(spool.close)


def default_threads() -> int:
    """How many I/O threads suit this machine; with one alone, none is there for other peers' messages."""
    return min(64, max(2, len(os.sched_getaffinity(0))))


def _open(root: Path, *, sync: bool, threads: int, journal: int) -> native.Spool:
    prepare_folder(root)
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return native.Spool(str(root), sync=sync, journal=journal, threads=threads, tags=ROUTING_TAGS)
        except FolderInUseError:
            if time.monotonic() > give_up:
                raise
            time.sleep(_LOOK_SECONDS)


def _pick_flag(transfer_syntax_uid: str) -> int:
    """How the routing elements are read while a data set passes; 0: not at all."""
    if not is_little_endian_stream(transfer_syntax_uid):
        return 0
    implicit = transfer_syntax_uid == IMPLICIT_VR_LITTLE_ENDIAN
    return native.IMPLICIT_VR if implicit else native.EXPLICIT_VR


def _count_files(instances: Path) -> int:
    return sum(entry.name.endswith(".dcm") for shelf in os.scandir(instances) for entry in os.scandir(shelf))
