"""The storage folder: begins stores on the native spool and hands completions to who waits.

Rules that this room keeps:
- nothing here touches a file on the event loop: the spool's threads do, and what blocks (opening,
  closing, counting) runs in a worker thread;
- a file's name is a hash of called AE title and SOP instance UID, never a peer's string: two AE titles
  keep separate copies, and one instance is found again without an index;
- every begun store ends in exactly one of STORED, FAILED, BROKEN, given to its callback.
"""

import os
from collections.abc import Callable
from contextlib import asynccontextmanager
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import trio

from port104 import native
from port104.storage.folder import prepare_folder
from port104.storage.part10 import Header, is_little_endian_stream
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
)

Callback = Callable[[native.Completion], None]


class StoredInstance(msgspec.Struct, frozen=True):
    """An instance that is safe and answered.

    `elements`: raw values of those of ROUTING_TAGS that the data set holds; where it could not be read so
    far while it passed, `elements_complete` is False, and only reading the file can tell.
    """

    called_ae_title: str
    sop_instance_uid: str
    path: Path
    elements: dict[int, bytes]
    elements_complete: bool


class Route(msgspec.Struct, frozen=True):
    """What is the same for every instance of one presentation context of one association."""

    header: Header
    called_ae_title: bytes
    flags: int


class InstanceStore:
    """Durable instances under one folder. Made by `open_store`."""

    def __init__(self, root: Path, spool: native.Spool) -> None:
        self.root = root
        self._spool = spool
        self._under_way: dict[int, tuple[Callback, Route, str]] = {}
        self.on_stored: Callable[[StoredInstance], None] | None = None
        self._last_id = 0

    def route(
        self,
        *,
        sop_class_uid: str,
        transfer_syntax_uid: str,
        calling_ae_title: str,
        called_ae_title: str,
        overwrite: bool,
        pipelined: bool,
    ) -> Route:
        """Prepare for the instances of one presentation context.

        `overwrite`: other bytes under a known SOP instance UID replace the file instead of standing
        beside it. `pipelined`: the peer may send on before it has its answer.
        """
        flags = native.OVERWRITE if overwrite else 0
        if pipelined:
            flags |= native.PIPELINED
        if is_little_endian_stream(transfer_syntax_uid):
            implicit = transfer_syntax_uid == IMPLICIT_VR_LITTLE_ENDIAN
            flags |= native.IMPLICIT_VR if implicit else native.EXPLICIT_VR
        header = Header(
            sop_class_uid=sop_class_uid,
            transfer_syntax_uid=transfer_syntax_uid,
            calling_ae_title=calling_ae_title,
            called_ae_title=called_ae_title,
        )
        return Route(header, called_ae_title.encode("latin-1"), flags)

    def begin(
        self,
        link: native.Link,
        route: Route,
        sop_instance_uid: str,
        response: bytes,
        callback: Callback,
    ) -> tuple[int, int]:
        """Begin to store the data set that `link` expects; `response` is sent once it is safe.

        Returns the store's ID, and native.TAKEN, CARRIED or NOT_BEGUN: only then no callback follows.
        """
        self._last_id += 1
        header, identity_end = route.header.encode(sop_instance_uid)
        name = _name(route.called_ae_title, sop_instance_uid)
        result = self._spool.begin(link, self._last_id, route.flags, name, header, identity_end, response)
        if result != native.NOT_BEGUN:
            self._under_way[self._last_id] = (callback, route, sop_instance_uid)
        return self._last_id, result

    def resume(self, store_id: int) -> None:
        """Go on with a PAUSED store."""
        self._spool.resume(store_id)

    def abandon(self, store_id: int) -> None:
        """Give a PAUSED store up; its part file is removed and BROKEN follows."""
        self._spool.abandon(store_id)

    def path_of(self, called_ae_title: str, sop_instance_uid: str, copy: int = 0) -> Path:
        """Where the instance stands; `copy` as in the completion that stored it."""
        return instance_path(self.root, called_ae_title, sop_instance_uid, copy)

    def counts(self) -> native.SpoolCounts:
        """Read the spool's counters."""
        return self._spool.counts()

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
        for completion in self._spool.completions():
            self._deliver(completion)

    def _deliver(self, completion: native.Completion) -> None:
        if completion.kind < native.STORED:
            self._under_way[completion.id][0](completion)
            return
        callback, route, sop_instance_uid = self._under_way.pop(completion.id)
        callback(completion)
        if self.on_stored is not None and completion.kind == native.STORED:
            called = route.called_ae_title.decode("latin-1")
            path = self.path_of(called, sop_instance_uid, completion.copy)
            stored = StoredInstance(
                called, sop_instance_uid, path, completion.elements, completion.elements_complete
            )
            self.on_stored(stored)


def instance_path(root: Path, called_ae_title: str, sop_instance_uid: str, copy: int = 0) -> Path:
    """Where below `root` an instance stands; copies from 1 on hold other bytes under the same UID."""
    name = _name(called_ae_title.encode("latin-1"), sop_instance_uid).decode()
    suffix = f".{copy}.dcm" if copy else ".dcm"
    return root / "instances" / name[:2] / (name + suffix)


@asynccontextmanager
async def open_store(root: Path, *, sync: bool, threads: int) -> "AsyncIterator[InstanceStore]":
    """Open the storage folder, removing part files, and deliver completions while the block runs.

    `sync`: instances are synced before they are answered (storage.durability). Leave the block only
    when no store is under way. Raises StorageError when the folder cannot be used.
    """
    spool = await trio.to_thread.run_sync(
        partial(_open, root, sync=sync, threads=threads), abandon_on_cancel=False
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


def _open(root: Path, *, sync: bool, threads: int) -> native.Spool:
    prepare_folder(root)
    return native.Spool(str(root), sync=sync, threads=threads, tags=ROUTING_TAGS)


def _name(called_ae_title: bytes, sop_instance_uid: str) -> bytes:
    identity = called_ae_title + b"\x00" + sop_instance_uid.encode("latin-1")
    return blake2b(identity, digest_size=16).hexdigest().encode()


def _count_files(instances: Path) -> int:
    return sum(entry.name.endswith(".dcm") for shelf in os.scandir(instances) for entry in os.scandir(shelf))
