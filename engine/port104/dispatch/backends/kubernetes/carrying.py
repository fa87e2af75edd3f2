"""The engine's part where a Job has its payload from the object store, and leaves its output there.

Rules that this room keeps:
- an attempt's manifest is put there once: what is written down as there is not put again, for a Job may have
  begun by it. That something may be there is written down before;
- what a Job left is believed only where it is what the delivery says, and all of it is here before any of it
  is in output/;
- while the store is away an attempt waits; nothing is lost by it.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import structlog
import trio

from port104.dispatch.backends.kubernetes.attempt import Attempt
from port104.dispatch.backends.kubernetes.steps import Access, Consignment
from port104.dispatch.backends.kubernetes.whereabouts import NoWayError
from port104.dispatch.payload import MANIFEST, OUTPUT
from port104.dispatch.transfer.documents import MOST_BYTES, Delivery, Left, read_delivery, written
from port104.dispatch.transfer.removing import remove
from port104.dispatch.transfer.shelf import Shelf
from port104.objects.faults import DamagedObjectError, MissingObjectError, ObjectStoreError
from port104.objects.held import Held

if TYPE_CHECKING:
    from port104.objects.store import ObjectStore

log = structlog.get_logger("port104.dispatch")

FIRST_RETRY_SECONDS = 0.5
LAST_RETRY_SECONDS = 10.0
_COMING = "delivered"
# All annotations of a pod may have 256 KiB together.
_MOST_CERTIFICATES = 192 << 10

AnswerT = TypeVar("AnswerT")


class Carrier:
    """Carries them. `access`: what Jobs are told of the store; `at_once`: objects at a time."""

    def __init__(self, store: "ObjectStore", access: Access, at_once: int) -> None:
        self._store = store
        self.access = access
        self._at_once = at_once
        self._limiter = trio.CapacityLimiter(at_once)

    def shelf_of(self, attempt: Attempt) -> Shelf:
        """Where the store has what is the attempt's."""
        return Shelf(self._store.place.prefix, attempt.run.id, attempt.run.attempt)

    def certificates(self) -> str:
        """What the store's certificate may be signed by. Blocks on the disk. Raises NoWayError."""
        if self.access.authorities is None:
            return ""
        try:
            text = Path(self.access.authorities).read_text("utf-8")
        except (OSError, UnicodeError) as failure:
            raise NoWayError(f"objectStore.certificateAuthorities cannot be read: {failure}") from failure
        if len(text.encode()) > _MOST_CERTIFICATES:
            raise NoWayError(
                f"objectStore.certificateAuthorities has more than {_MOST_CERTIFICATES} bytes, which no Job's"
                " pod can be told: have a file with the store's own authority alone"
            )
        return text

    async def put(self, attempt: Attempt) -> Consignment:
        """Put an attempt's manifest there, and a delivery of nothing. Raises OSError, DamagedObjectError."""
        shelf = self.shelf_of(attempt)
        content = await trio.to_thread.run_sync((attempt.folder / MANIFEST).read_bytes)
        nothing = written(Delivery(whole=False))
        await self._insist(attempt, partial(self._store.write, shelf.delivery, nothing))
        held = await self._insist(attempt, partial(self._store.write, shelf.manifest, content))
        return Consignment(held.size, held.digest, there=True)

    async def take(self, attempt: Attempt) -> None:
        """Have what a Job left in output/.

        Raises FaultyDocumentError, MissingObjectError and DamagedObjectError where it is not what was
        delivered, OSError. It may be called again.
        """
        shelf = self.shelf_of(attempt)
        content = await self._insist(attempt, partial(self._store.read, shelf.delivery, MOST_BYTES))
        delivery = read_delivery(content)
        if not delivery.whole:
            raise MissingObjectError("what it left is not whole in the object store")
        coming, output = attempt.folder / _COMING, attempt.folder / OUTPUT
        await trio.to_thread.run_sync(partial(coming.mkdir, exist_ok=True))
        waiting, faults = iter(enumerate(delivery.files)), list[Exception]()
        async with trio.open_nursery() as nursery:
            for _ in range(self._at_once):
                nursery.start_soon(self._take_some, attempt, shelf, waiting, faults)
        if faults:
            raise faults[0]
        await trio.to_thread.run_sync(_put_in_place, coming, output, delivery.files)

    async def remove(self, attempt: Attempt) -> None:
        """Remove what the store has of an attempt. Raises ObjectStoreError, OSError."""
        work = partial(remove, self._store, self.shelf_of(attempt), attempt.folder)
        await trio.to_thread.run_sync(work, limiter=self._limiter, abandon_on_cancel=True)

    async def _take_some(
        self, attempt: Attempt, shelf: Shelf, waiting: Iterator[tuple[int, Left]], faults: list[Exception]
    ) -> None:
        """Fetch until nothing waits, or one of us has met a fault."""
        for number, left in waiting:
            held = Held(shelf.output(number), left.size, left.sha256, etag="")
            try:
                await self._insist(attempt, partial(_take, self._store, held, number, left, attempt.folder))
            except (MissingObjectError, DamagedObjectError, OSError) as fault:
                faults.append(fault)
            if faults:
                return

    async def _insist(self, attempt: Attempt, ask: Callable[[], AnswerT]) -> AnswerT:
        """Ask the store, as often as it cannot be used."""
        retry, told = FIRST_RETRY_SECONDS, False
        while True:
            try:
                return await trio.to_thread.run_sync(ask, limiter=self._limiter, abandon_on_cancel=True)
            except ObjectStoreError as fault:
                if not told:
                    log.warning("a run waits for the object store", run=attempt.run.id, reason=str(fault))
                told = True
                await trio.sleep(retry)
                retry = min(2 * retry, LAST_RETRY_SECONDS)


def _take(store: "ObjectStore", held: Held, number: int, left: Left, folder: Path) -> None:
    coming = folder / _COMING / str(number)
    if not coming.exists() and not (folder / OUTPUT / left.file).exists():
        store.fetch(held, coming)


def _put_in_place(coming: Path, output: Path, files: tuple[Left, ...]) -> None:
    """Give files their names once all are here; what was cut off is gone on with. Raises OSError."""
    for number, left in enumerate(files):
        source, target = coming / str(number), output / left.file
        if source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(source, target)  # noqa: PTH105 - says what it does
    shutil.rmtree(coming)
